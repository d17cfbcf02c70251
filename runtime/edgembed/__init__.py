"""edgembed: sentence embeddings on a CPU, without torch.

>>> from edgembed import Embedder
>>> vectors = Embedder("bundle/").encode(["Привет, мир", "Hello, world"])
"""

from typing import TYPE_CHECKING, Any

from edgembed.errors import (
    ArgumentError,
    BundleError,
    BundleNotFoundError,
    CanaryError,
    CanaryWarning,
    EdgembedError,
    EdgembedWarning,
    InferenceError,
    IntegrityError,
    ManifestError,
    MissingExtraError,
    ModelLoadError,
    PromptError,
    PromptWarning,
    TextError,
    TruncationWarning,
    UnsafeArtifactError,
)
from edgembed.version import __version__

if TYPE_CHECKING:
    from edgembed.embedder import Embedder

__all__ = [
    "ArgumentError",
    "BundleError",
    "BundleNotFoundError",
    "CanaryError",
    "CanaryWarning",
    "EdgembedError",
    "EdgembedWarning",
    "Embedder",
    "InferenceError",
    "IntegrityError",
    "ManifestError",
    "MissingExtraError",
    "ModelLoadError",
    "PromptError",
    "PromptWarning",
    "TextError",
    "TruncationWarning",
    "UnsafeArtifactError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Embedder brings numpy and onnxruntime with it; the command line's --help needs neither.
    if name == "Embedder":
        from edgembed.startup import quick_imports

        with quick_imports():
            from edgembed.embedder import Embedder
        return Embedder
    raise AttributeError(f"module 'edgembed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
