"""What the classes for all libraries are made of: a bundle by its folder, and how it is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from edgembed.errors import ArgumentError, TextError
from edgembed.manifest import FILE_NAME
from edgembed.pooling import Float32
from edgembed.prompts import text_asked_for

if TYPE_CHECKING:
    from edgembed.embedder import Embedder

_loaded: WeakValueDictionary[tuple[Any, ...], Embedder] = WeakValueDictionary()
_lock = Lock()


@dataclass(frozen=True)
class Encoder:
    """Settings that can be written down, and the model, which is loaded when first asked for.

    bundle: the folder that edgembed-export wrote. dtype and threads: as in Embedder.
    query_prompt and document_prompt: what to put before queries and documents, by a prompt's name
    or its whole text; None takes the checkpoint's own, "" none. truncate_dim and
    normalize_embeddings: as in Embedder.encode.
    """

    bundle: str
    dtype: str | None = None
    threads: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    truncate_dim: int | None = None
    normalize_embeddings: bool = False

    @cached_property
    def model(self) -> Embedder:
        """The loaded bundle. Whoever names the same one with the same settings shares it."""
        from edgembed import Embedder

        with _lock:
            key = (*_identity(Path(self.bundle)), self.dtype, self.threads)
            model = _loaded.get(key)
            if model is None:
                model = _loaded[key] = Embedder(self.bundle, self.dtype, self.threads)
        return model

    def queries(self, texts: Iterable[str]) -> Float32:
        """(n, dim) float32, with the prompt for queries. TextError for one text alone."""
        vectors: Float32 = self.model.encode_query(
            many(texts), prompt=self._prompt(self.query_prompt), **self._options()
        )
        return vectors

    def documents(self, texts: Iterable[str]) -> Float32:
        """(n, dim) float32, with the prompt for documents. TextError for one text alone."""
        vectors: Float32 = self.model.encode_document(
            many(texts), prompt=self._prompt(self.document_prompt), **self._options()
        )
        return vectors

    def settings(self) -> dict[str, Any]:
        """The fields, JSON-ready; Encoder(**settings) is the same again."""
        return asdict(self)

    def must_give(self, fingerprint: str) -> None:
        """ArgumentError unless the vectors are those of the bundle with this fingerprint."""
        if self.model.fingerprint != fingerprint:
            raise ArgumentError(
                f"the bundle in {self.bundle!r} gives other vectors than those that were kept (its "
                "fingerprint is another one): put the former bundle back, or embed all anew"
            )

    def _prompt(self, name_or_text: str | None) -> str | None:
        return None if name_or_text is None else text_asked_for(self.model.prompts, name_or_text)

    def _options(self) -> dict[str, Any]:
        return {
            "truncate_dim": self.truncate_dim,
            "normalize_embeddings": self.normalize_embeddings,
            "show_progress_bar": False,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Copies and other processes get the settings, and load the model themselves."""
        return self.settings()


def many(texts: Iterable[str]) -> Iterable[str]:
    """The texts, where one text alone would be taken for as many as it has letters."""
    if isinstance(texts, str):
        raise TextError("many texts are to be given: put a single one into a list")
    return texts


def _identity(folder: Path) -> tuple[Any, ...]:
    """Which bundle stands in a folder now: another one may take its place."""
    try:
        info = (folder / FILE_NAME).stat()
    except OSError:  # Embedder has the words for it
        return (folder,)
    return (folder.resolve(), info.st_ino, info.st_mtime_ns)
