"""Other forms of Embedder.encode: awaited by an event loop, and over texts without end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from edgembed.errors import ArgumentError, EdgembedError, InferenceError, TextError
from edgembed.outputs import check_positive
from edgembed.texts import as_many
from edgembed.warn import Deferred


class _Encodes(Protocol):
    @property
    def encode(self) -> Callable[..., Any]: ...
    @property
    def encode_query(self) -> Callable[..., Any]: ...
    @property
    def encode_document(self) -> Callable[..., Any]: ...
    @property
    def ranges(self) -> Callable[..., Any]: ...


class EncodeForms:
    """What Embedder has beside its three encode methods, made of them."""

    async def aencode(self: _Encodes, *args: Any, **kwargs: Any) -> Any:
        """`encode`, with its arguments and result, on a thread: the event loop goes on meanwhile.

        A task that is cancelled stops waiting; the texts that were given are embedded to the end.
        """
        return await _off_the_loop(self.encode, args, kwargs)

    async def aencode_query(self: _Encodes, *args: Any, **kwargs: Any) -> Any:
        """`encode_query`, as aencode does it."""
        return await _off_the_loop(self.encode_query, args, kwargs)

    async def aencode_document(self: _Encodes, *args: Any, **kwargs: Any) -> Any:
        """`encode_document`, as aencode does it."""
        return await _off_the_loop(self.encode_document, args, kwargs)

    def encode_iter(
        self: _Encodes, inputs: Iterable[str], *, batch_size: int = 32, **kwargs: Any
    ) -> Iterator[Any]:
        """What `encode` gives for each text, in order, of an iterable that need not end.

        At most batch_size texts are read ahead, and no more than their vectors are kept: with 1 a
        text's vector is there before the next text is asked for. kwargs: encode's other arguments.
        The indices of a TextError or InferenceError, which ends the iteration, and those that
        on_error gets count from the first text of all.
        """
        if isinstance(inputs, (str, bytes)):
            raise ArgumentError("encode_iter takes an iterable of texts: for one text use encode")
        check_positive("batch_size", batch_size)
        options = {k: kwargs[k] for k in ("truncate_dim", "normalize_embeddings") if k in kwargs}
        if kwargs.get("precision") in ("int8", "uint8") and self.ranges(**options) is None:
            raise ArgumentError(
                f"encode_iter has no fixed ranges for precision={kwargs['precision']!r} with "
                "these options: export the bundle again if it has none, and leave out "
                "normalize_embeddings; or quantise the float32 vectors all together"
            )
        return _batches(self, iter(as_many(inputs)), batch_size, kwargs)


def _batches(
    model: _Encodes, texts: Iterator[str], batch_size: int, kwargs: dict[str, Any]
) -> Iterator[Any]:
    done, on_error = 0, kwargs.pop("on_error", None)

    def from_the_first(index: int, error: EdgembedError) -> None:
        on_error(done + index, error)

    while batch := list(islice(texts, batch_size)):
        try:
            told = None if on_error is None else from_the_first
            yield from model.encode(batch, on_error=told, **kwargs)
        except (TextError, InferenceError) as error:
            raise type(error)(
                f"of the {len(batch)} texts from index {done}: {error}",
                [done + index for index in error.indices],
            ) from error
        done += len(batch)


async def _off_the_loop(
    encode: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    import asyncio  # not needed for the first vector

    with Deferred():  # warnings point at the line that awaits, not into a thread
        return await asyncio.to_thread(encode, *args, **kwargs)
