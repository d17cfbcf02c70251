"""The version, alone, so that `edgembed --version` need not import the model code."""

__version__ = "0.1.0"
