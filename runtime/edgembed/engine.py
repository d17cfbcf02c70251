"""The engine: one checked bundle, loaded, that turns one text into one vector.

It puts the rooms together (bundle, tokenize, session, pooling) and knows nothing of encode's many
arguments. No text is padded, and only texts of one length run together (see batches), so that a
vector cannot depend on its neighbours.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgembed.background import Background
from edgembed.batches import RUN_TOKENS, alike, chunks, equal_lengths
from edgembed.bundle import Bundle, release
from edgembed.canary import CanaryCheck, allowed
from edgembed.crew import Crew
from edgembed.errors import (
    CanaryError,
    CanaryWarning,
    InferenceError,
    IntegrityError,
)
from edgembed.files import Content, stamp, was_written_to
from edgembed.manifest import Weights
from edgembed.parallel import tokens_worth
from edgembed.pooling import Float32, norm, pool, unit
from edgembed.threads import checked_threads
from edgembed.tokenize import Int64, Tokenizer, Tokens
from edgembed.warn import warn

if TYPE_CHECKING:
    from edgembed.sessions import Sessions

Kept = TypeVar("Kept")


class Embedding(NamedTuple):
    """What one text gave: ids (tokens,), token vectors (tokens, dim), vector (dim,)."""

    ids: Int64
    truncated: bool
    token_embeddings: Float32
    vector: Float32


@dataclass(frozen=True)
class _Job(Generic[Kept]):
    """What is the same for all texts of one call."""

    threads: int
    skip: int
    keep: Callable[[Embedding], Kept]
    of_many: bool = False  # whether texts of equal length run together


class Engine:
    """A bundle in memory, ready to embed. Safe to share between threads."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        dtype: str | None,
        threads: int | None,
        public_key: str | os.PathLike[str] | None = None,
        copy_weights: bool = False,
    ) -> None:
        """Check and load one dtype of a bundle (None: the manifest's default)."""
        self.threads = checked_threads(threads)
        self.bundle = Bundle.open(folder, public_key)
        self.manifest = self.bundle.manifest
        self.dtype = self.manifest.default_dtype if dtype is None else dtype
        self.fingerprint = self.bundle.weights(self.dtype).fingerprint
        # Hashing and making the session need no GIL; importing onnxruntime and reading the
        # tokenizer do. So each of the two threads has one of them.
        with Background(partial(self._load_sessions, copy_weights)) as loading:
            import edgembed.sessions  # noqa: F401

            beside = self.bundle.read_beside(self.dtype)
            self.tokenizer = self._load_tokenizer(beside)
        self._sessions = loading.result()

    def _load_sessions(self, copy: bool) -> Sessions:
        weights = self.bundle.weights(self.dtype)
        path = self.bundle.folder / weights.data
        before = stamp(path)
        contents = self.bundle.read_weights(self.dtype, copy)
        from edgembed.sessions import Sessions

        data = contents[weights.data]
        sessions = Sessions(
            bytes(contents[weights.graph]),
            _arrays(weights, data),
            path.parent,
            tokens_worth(self.dtype, weights.tensors) if self.threads > 1 else 1,
            partial(release, data),
            scaled_by_run=self.dtype == "int8",
        )
        sessions.load(self.threads)
        if not copy and was_written_to(before, stamp(path)):
            raise IntegrityError(
                f"{weights.data} was written to while it was loaded: load it again, and replace "
                "the files of a bundle in use instead of writing into them"
            )
        return sessions

    def _load_tokenizer(self, beside: Mapping[str, Content]) -> Tokenizer:
        name = self.manifest.vocabulary
        return Tokenizer(
            beside[self.manifest.tokenizer],
            self.manifest.max_seq_length,
            None if name is None else bytes(beside[name]),
        )

    def embed_many(
        self, texts: Sequence[str], skip: int, keep: Callable[[Embedding], Kept]
    ) -> Generator[tuple[int, Kept | InferenceError], None, None]:
        """Each text's index and what `keep` takes of its embedding, in the order they are done.

        In place of that an InferenceError where the model gives none: the others go on. Whoever
        does not go to the end closes the generator, which ends the workers.

        Many texts are spread over as many workers as there are threads, each running on one
        thread: that scales better than several threads on one run, and gives the same bits. A
        single text has `embed`, which runs it on as many as are worth it (see sessions).
        """
        job, workers = _Job(1, skip, keep), min(self.threads, len(texts))
        try:
            crew = Crew(workers) if workers > 1 else None
        except RuntimeError:  # there can be no more threads
            crew = None
        if crew is None:
            yield from self._in_chunks(texts, job, 1, map)
            return
        try:
            yield from self._in_chunks(texts, job, workers, crew.map)
        finally:
            crew.close()

    def _in_chunks(
        self, texts: Sequence[str], job: _Job[Kept], workers: int, spread: Callable[..., Any]
    ) -> Iterator[tuple[int, Kept | InferenceError]]:
        """As embed_many; `spread` is map, or a crew's."""
        for chunk in chunks(len(texts)):
            encoded = spread(self.tokenizer.encode, [texts[index] for index in chunk])
            tokens = dict(zip(chunk, encoded, strict=True))
            lengths = {index: len(own.ids) for index, own in tokens.items()}
            job = replace(job, of_many=self._sessions.batches(alike(lengths)))
            runs = equal_lengths(lengths, workers, RUN_TOKENS if job.of_many else 1)
            for done in spread(partial(self._run, job, tokens), runs):
                yield from done

    def _run(
        self, job: _Job[Kept], tokens: Mapping[int, Tokens], run: Sequence[int]
    ) -> list[tuple[int, Kept | InferenceError]]:
        """Run the texts of these indices, which are of equal length, together."""
        rows = [tokens[index] for index in run]
        try:
            ids = rows[0].ids[None] if len(rows) == 1 else np.stack([row.ids for row in rows])
            hidden = self._sessions.run(ids, job.threads, job.of_many)
            own = [self._embedding(*pair, job.skip) for pair in zip(rows, hidden, strict=True)]
        except InferenceError as error:
            if len(run) > 1:  # each by itself, to tell which it is
                return [done for index in run for done in self._run(job, tokens, [index])]
            return [(run[0], error)]
        return [(index, job.keep(one)) for index, one in zip(run, own, strict=True)]

    def embed(self, text: str, skip: int = 0, threads: int | None = None) -> Embedding:
        """Embed one text, prompt included; `skip` leading tokens are left out of the pooling."""
        return self.embed_tokens(self.tokenizer.encode(text), skip, threads)

    def embed_tokens(self, tokens: Tokens, skip: int = 0, threads: int | None = None) -> Embedding:
        """As embed, of a text that this engine's tokenizer has encoded."""
        (hidden,) = self._sessions.run(tokens.ids[None, :], threads or self.threads)
        return self._embedding(tokens, hidden, skip)

    def _embedding(self, tokens: Tokens, hidden: Float32, skip: int) -> Embedding:
        """One text's embedding from its token vectors, (tokens, dim)."""
        vector = pool(hidden, self.manifest.pooling, skip)
        if vector.shape != (self.manifest.dimension,):
            raise InferenceError(
                f"the model gave {vector.size} numbers instead of {self.manifest.dimension}: "
                "check the bundle with  edgembed info --verify"
            )
        length = norm(vector)
        # A mean over all tokens shows the one that is no number; other pooling may leave it out.
        leaves_out = skip or self.manifest.pooling != "mean"
        if not math.isfinite(length) or (leaves_out and not np.isfinite(hidden).all()):
            raise InferenceError(
                f"the model gave NaN or infinity for a text of {len(tokens.ids)} tokens; no vector "
                "is returned: check the bundle with  edgembed info --verify"
            )
        if self.manifest.normalize:
            vector = unit(vector, length)
        return Embedding(tokens.ids, tokens.truncated, hidden, vector)

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
        most = allowed(action, self.manifest.parity.get(self.dtype, {}))
        distance = self.canary_distance()
        self._sessions.release()  # the rows that the canaries' words have read
        if distance <= most:
            return
        message = (
            f"this machine computes other {self.dtype} vectors than the one that exported the "
            f"bundle (1 - cosine {distance:.1e}, at most {most:.0e} is expected): do not mix "
            "them with vectors from elsewhere; use dtype='float32', or the onnxruntime version "
            f"that the bundle names ({self.manifest.tools.get('onnxruntime', 'unknown')})"
        )
        if action != "warn":
            raise CanaryError(message)
        warn(message, CanaryWarning)


def _arrays(weights: Weights, data: Content) -> dict[str, npt.NDArray[Any]]:
    """The weights as arrays on top of the mapped file, without a copy."""
    return {
        name: np.frombuffer(data, t.dtype, math.prod(t.shape), t.offset).reshape(t.shape)
        for name, t in weights.tensors.items()
    }
