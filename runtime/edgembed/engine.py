"""The engine: one checked bundle, loaded, that turns one text into one vector.

It puts the rooms together (bundle, tokenize, session, pooling) and knows nothing of encode's many
arguments. Each text is run alone and without padding, so that its vector cannot depend on its
neighbours: in INT8 that is the only way to be exact, and on a CPU it is the cheapest one too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgembed.background import Background
from edgembed.bundle import Bundle, Content, release
from edgembed.canary import tolerance
from edgembed.errors import ArgumentError, CanaryError, CanaryWarning, InferenceError
from edgembed.manifest import Weights
from edgembed.pooling import Float32, normalize, pool
from edgembed.threads import available_threads
from edgembed.tokenize import Int64, Tokenizer
from edgembed.warn import warn

if TYPE_CHECKING:
    from edgembed.session import Sessions

_MOST = 1024  # threads; more than any machine this is for
Kept = TypeVar("Kept")
CanaryCheck = Literal["warn", "refuse", "off"]


class Embedding(NamedTuple):
    """What one text gave: ids (tokens,), token vectors (tokens, dim), vector (dim,)."""

    ids: Int64
    truncated: bool
    token_embeddings: Float32
    vector: Float32


class Engine:
    """A bundle in memory, ready to embed. Safe to share between threads."""

    def __init__(
        self, folder: str | os.PathLike[str], dtype: str | None, threads: int | None
    ) -> None:
        """Check and load one dtype of a bundle (None: the manifest's default)."""
        self.threads = _checked_threads(threads)
        self.bundle = Bundle.open(folder)
        self.manifest = self.bundle.manifest
        self.dtype = self.manifest.default_dtype if dtype is None else dtype
        self.fingerprint = self.bundle.weights(self.dtype).fingerprint
        # Hashing and making the session need no GIL; importing onnxruntime and reading the
        # tokenizer do. So each of the two threads has one of them.
        with Background(self._load_sessions) as loading:
            import edgembed.session  # noqa: F401

            beside = self.bundle.read_beside(self.dtype)
            self.tokenizer = self._load_tokenizer(beside)
        self._sessions = loading.result()

    def _load_sessions(self) -> Sessions:
        weights = self.bundle.weights(self.dtype)
        contents = self.bundle.read_weights(self.dtype)
        from edgembed.session import Sessions

        data = contents[weights.data]
        sessions = Sessions(
            bytes(contents[weights.graph]),
            _arrays(weights, data),
            (self.bundle.folder / weights.graph).parent,
            release=partial(release, data),
        )
        sessions.get(self.threads)
        return sessions

    def _load_tokenizer(self, beside: Mapping[str, Content]) -> Tokenizer:
        name = self.manifest.vocabulary
        return Tokenizer(
            bytes(beside[self.manifest.tokenizer]),
            self.manifest.max_seq_length,
            None if name is None else bytes(beside[name]),
        )

    def embed_many(
        self, texts: Sequence[str], skip: int, keep: Callable[[Embedding], Kept]
    ) -> Iterator[Kept]:
        """What `keep` takes of each text's embedding, in order.

        Many texts are spread over as many workers as there are threads, each running one text on
        one thread: that scales better than several threads on one text, and gives the same bits.
        """
        workers = min(self.threads, len(texts))
        if workers <= 1:
            yield from (keep(self.embed(text, skip)) for text in texts)
            return
        from concurrent.futures import ThreadPoolExecutor  # not needed for the first vector

        executor = ThreadPoolExecutor(workers, "edgembed")
        try:
            yield from executor.map(lambda text: keep(self.embed(text, skip, threads=1)), texts)
        finally:
            executor.shutdown(cancel_futures=True)

    def embed(self, text: str, skip: int = 0, threads: int | None = None) -> Embedding:
        """Embed one text, prompt included; `skip` leading tokens are left out of the pooling."""
        tokens = self.tokenizer.encode(text)
        token_embeddings = self._sessions.get(threads or self.threads).run(tokens.ids)
        vector = pool(token_embeddings, self.manifest.pooling, skip)
        if not np.isfinite(vector).all():
            raise InferenceError(
                f"the model gave NaN or infinity for a text of {len(tokens.ids)} tokens; no vector "
                "is returned: check the bundle with  edgembed info --verify"
            )
        if self.manifest.normalize:
            vector = normalize(vector)
        return Embedding(tokens.ids, tokens.truncated, token_embeddings, vector)

    def skipped_tokens(self, prompt: str) -> int:
        """Leading tokens that pooling leaves out for this prompt (include_prompt=false only)."""
        if self.manifest.include_prompt or not prompt:
            return 0
        return self.tokenizer.prompt_length(prompt)

    def canary_distance(self) -> float:
        """The largest 1 - cosine between a canary of the manifest and its vector here."""
        return max(
            (
                canary.distance(self.dtype, self.embed(canary.text).vector)
                for canary in self.manifest.canaries
                if self.dtype in canary.vectors
            ),
            default=0.0,
        )

    def check_canaries(self, action: CanaryCheck) -> None:
        """Warn of, or refuse, a machine whose kernels give other vectors than the exporter's."""
        if action == "off":
            return
        parity = self.manifest.parity.get(self.dtype, {}).get("mean")
        allowed, distance = tolerance(parity), self.canary_distance()
        if distance <= allowed:
            return
        message = (
            f"this machine computes other {self.dtype} vectors than the one that exported the "
            f"bundle (1 - cosine {distance:.1e}, at most {allowed:.0e} is expected): do not mix "
            "them with vectors from elsewhere; use dtype='float32', or the onnxruntime version "
            f"that the bundle names ({self.manifest.tools.get('onnxruntime', 'unknown')})"
        )
        if action == "refuse":
            raise CanaryError(message)
        warn(message, CanaryWarning)


def _arrays(weights: Weights, data: Content) -> dict[str, npt.NDArray[Any]]:
    """The weights as arrays on top of the mapped file, without a copy."""
    return {
        name: np.frombuffer(data, t.dtype, math.prod(t.shape), t.offset).reshape(t.shape)
        for name, t in weights.tensors.items()
    }


def _checked_threads(threads: int | None) -> int:
    if threads is None:
        return available_threads()
    if isinstance(threads, bool) or not isinstance(threads, int) or not 0 < threads <= _MOST:
        raise ArgumentError(
            f"threads must be a whole number from 1 to {_MOST}, or None, not {threads!r}"
        )
    return threads
