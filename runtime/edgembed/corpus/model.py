"""The bundle as a corpus needs it: distinct texts in, their vectors, tokens and cuts out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgembed.canary import CanaryCheck
from edgembed.corpus.halt import never
from edgembed.engine import Embedding, Engine
from edgembed.errors import ArgumentError, InferenceError
from edgembed.facts import BundleFacts
from edgembed.outputs import EncodeOptions
from edgembed.pooling import Float32
from edgembed.precision import Precision
from edgembed.promptcheck import PromptCheck

_lock = Lock()


class Loading(NamedTuple):
    """A bundle's folder, and how it is loaded: Embedder's arguments of these names.

    cache: how many distinct texts of earlier calls are remembered.
    """

    bundle: str
    dtype: str | None = None
    public_key: str | None = None
    canaries: CanaryCheck = "warn"
    cache: int = 0


class Output(NamedTuple):
    """How vectors leave: the text put before each input, and encode's options of these names.

    named: somebody chose the prompt, be it none; it is not just the checkpoint's default.
    """

    prompt: str
    precision: Precision
    truncate_dim: int | None
    named: bool = True


class One(NamedTuple):
    """What is kept of one text: its vector, (dim,) float32, its tokens, and whether it was cut."""

    vector: Float32
    tokens: int
    cut: bool


class Vectors(NamedTuple):
    """Of n texts: (n, width) of the output's type; tokens, (n,); how many were cut."""

    matrix: npt.NDArray[Any]
    tokens: npt.NDArray[np.int64]
    cut: int


class CorpusModel(BundleFacts):
    """One loaded bundle. Runs on the caller's thread: as many may share it as there are CPUs."""

    def __init__(self, loading: Loading) -> None:
        """Load it; errors as Embedder's."""
        self._engine = Engine(loading.bundle, loading.dtype, 1, loading.public_key)
        self._manifest = self._engine.manifest
        self._prompts = self._manifest.prompts
        self._check_prompts = PromptCheck(self._prompts)
        self._cache, self._room = OrderedDict[str, One](), loading.cache
        self._cache_lock = Lock()
        self._engine.check_canaries(loading.canaries)

    @property
    def source(self) -> str:
        """The model's id and revision, as far as the bundle knows them."""
        model = self._manifest.model
        return f"{model.id}@{model.revision}" if model.revision else model.id

    def resolve(self, prompt: str | None, prompt_name: str | None) -> str:
        """The text that is put before each input."""
        return self._prompts.resolve(prompt, prompt_name)

    def check(self, output: Output) -> None:
        """ArgumentError where texts of different parts would get numbers of different ranges."""
        if output.precision in ("int8", "uint8") and self.ranges(output.truncate_dim) is None:
            raise ArgumentError(
                f"this bundle has no fixed ranges for precision {output.precision!r}: export it "
                "again, or take float32 or binary"
            )

    def vectors(
        self, texts: Sequence[str], output: Output, check: Callable[[], None] = never
    ) -> Vectors:
        """Embed texts, each distinct one once; numbers do not depend on what else is there.

        check: called between runs of the model, and may raise.
        """
        self._check_prompts(output.named, output.prompt, texts)
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        ones = self._ones(list(distinct), output.prompt, check)
        options = EncodeOptions("sentence_embedding", output.precision, output.truncate_dim,
                                False, "array")  # fmt: skip
        matrix = options.finish(
            [one.vector for one in ones], self.dimension, self.ranges(output.truncate_dim)
        )
        order = np.fromiter((distinct[text] for text in texts), np.int64, len(texts))
        tokens = np.fromiter((one.tokens for one in ones), np.int64, len(ones))
        cut = np.fromiter((one.cut for one in ones), np.bool_, len(ones))
        return Vectors(matrix[order], tokens[order], int(cut[order].sum()))

    def _ones(self, texts: list[str], prompt: str, check: Callable[[], None]) -> list[One]:
        known = self._remembered(texts)
        new = [text for text in texts if text not in known]
        prompted = [prompt + text for text in new] if prompt else new
        skip = self._engine.skipped_tokens(prompt)
        with closing(self._engine.embed_many(prompted, skip, _keep)) as embeddings:
            for index, one in embeddings:
                if isinstance(one, InferenceError):  # the model is at fault, not the row
                    raise one
                known[new[index]] = one
                check()
        self._remember({text: known[text] for text in new})
        return [known[text] for text in texts]

    def _remembered(self, texts: list[str]) -> dict[str, One]:
        if not self._room:
            return {}
        with self._cache_lock:
            known = {text: self._cache[text] for text in texts if text in self._cache}
            for text in known:
                self._cache.move_to_end(text)
        return known

    def _remember(self, new: dict[str, One]) -> None:
        if not self._room:
            return
        with self._cache_lock:
            self._cache.update(new)
            while len(self._cache) > self._room:
                self._cache.popitem(last=False)


def _keep(embedding: Embedding) -> One:
    return One(embedding.vector, len(embedding.ids), embedding.truncated)


def shared_model(loading: Loading) -> CorpusModel:
    """The bundle of this process, loaded once, however many tasks and threads ask for it."""
    with _lock:
        return _load(loading)


@lru_cache(maxsize=1)
def _load(loading: Loading) -> CorpusModel:
    return CorpusModel(loading)
