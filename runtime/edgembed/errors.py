"""Every error and warning of edgembed, drawn as a tree.

    EdgembedError
    ├── BundleError                    the bundle cannot be used
    │   ├── BundleNotFoundError        (FileNotFoundError)  no folder, manifest or artifact there
    │   ├── ManifestError              (ValueError)         manifest.json is not what it should be
    │   ├── IntegrityError             (RuntimeError)       an artifact is not the one exported
    │   ├── UnsafeArtifactError        (ValueError)         a file asks for what no bundle needs
    │   ├── CanaryError                (RuntimeError)       this machine computes other vectors
    │   └── ModelLoadError             (RuntimeError)       onnxruntime or tokenizers refused a file
    ├── ArgumentError                  (ValueError)         an argument is out of its range
    │   ├── PromptError                                     no such prompt
    │   └── TextError                                       a text cannot be embedded
    ├── InferenceError                 (RuntimeError)       the model gave what is no vector
    └── MissingExtraError              (ImportError)        an optional dependency is not installed

    EdgembedWarning (UserWarning)
    ├── TruncationWarning              texts longer than max_seq_length were cut
    ├── CanaryWarning                  this machine computes slightly other vectors
    └── PromptWarning                  a text goes without a prompt, or has two

Each is also the built-in error that a caller would expect, so `except ValueError` around a wrong
argument works without knowing this module.
"""

from __future__ import annotations

from collections.abc import Sequence


class EdgembedError(Exception):
    """The root: `except EdgembedError` catches whatever edgembed raises on purpose."""


class BundleError(EdgembedError):
    """The bundle cannot be used."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """No bundle, manifest or artifact at the path given."""


class ManifestError(BundleError, ValueError):
    """manifest.json is malformed, or of a version that this edgembed does not know."""


class IntegrityError(BundleError, RuntimeError):
    """An artifact's bytes are not the ones that the manifest names."""


class UnsafeArtifactError(BundleError, ValueError):
    """A graph or a tokenizer is not one that edgembed-export writes: it is not loaded at all."""


class CanaryError(BundleError, RuntimeError):
    """This machine computes other vectors than the one that exported the bundle."""


class ModelLoadError(BundleError, RuntimeError):
    """onnxruntime or tokenizers refused a file of the bundle."""


class ArgumentError(EdgembedError, ValueError):
    """An argument is out of its range."""


class PromptError(ArgumentError):
    """No prompt of that name."""


class TextError(ArgumentError):
    """Some texts cannot be embedded.

    `indices` are their positions in the call's input, so that a caller can take them out and embed
    the others.
    """

    def __init__(self, message: str, indices: Sequence[int] = ()) -> None:
        """Keep the message and which texts it is about."""
        super().__init__(message)
        self.indices = tuple(indices)


class InferenceError(EdgembedError, RuntimeError):
    """The model gave something that is no vector (a NaN, say).

    `indices` are the positions in the call's input of the texts that it is about, as TextError's.
    """

    def __init__(self, message: str, indices: Sequence[int] = ()) -> None:
        """Keep the message and which texts it is about."""
        super().__init__(message)
        self.indices = tuple(indices)


class MissingExtraError(EdgembedError, ImportError):
    """An optional dependency is not installed; the message says how to get it."""


class EdgembedWarning(UserWarning):
    """The root of edgembed's warnings."""


class TruncationWarning(EdgembedWarning):
    """Texts longer than max_seq_length were cut; their vectors speak of their beginning only."""


class CanaryWarning(EdgembedWarning):
    """This machine computes slightly other vectors than the one that exported the bundle."""


class PromptWarning(EdgembedWarning):
    """A model trained with prompts gets a text that has none, or two; said once a model."""
