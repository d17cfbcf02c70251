"""Writing protobuf messages by hand: what no library would write for us."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgembed.wire import fields

MODEL_GRAPH = 7


def varint(value: int) -> bytes:
    """An unsigned number; a negative one as int64's two's complement."""
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: a number as varint, a text or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def parts(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """A message's fields: number, content (empty for numbers), and all of its bytes."""
    at = 0
    for number, kind, start, stop in fields(message, 0, len(message), len(message)):
        yield number, message[start:stop] if kind == 2 else b"", message[at:stop]
        at = stop


def change_graph(model: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The model with its graph changed."""
    return b"".join(
        field(MODEL_GRAPH, change(content)) if number == MODEL_GRAPH else raw
        for number, content, raw in parts(model)
    )


def change_first(
    message: bytes, number: int, change: Callable[[bytes], bytes], where: bytes = b""
) -> bytes:
    """The message with its first field of that number, and with `where` in it, changed."""
    out, done = [], False
    for own, content, raw in parts(message):
        chosen = own == number and where in content and not done
        out.append(field(number, change(content)) if chosen else raw)
        done = done or chosen
    assert done, (number, where)
    return b"".join(out)


def node(
    op_type: str, *, inputs: tuple[str, ...] = (), domain: str = "", more: bytes = b""
) -> bytes:
    """A GraphProto.node field."""
    names = b"".join(field(1, name) for name in inputs)
    return field(
        1, names + field(2, f"{op_type}_out") + field(4, op_type) + field(7, domain) + more
    )


def tensor(
    name: str, dims: tuple[int, ...], raw: bytes, dtype: int = 7, more: bytes = b""
) -> bytes:
    """A TensorProto; int64 unless another type is asked for."""
    shape = b"".join(field(1, dim) for dim in dims)
    return shape + field(2, dtype) + field(8, name) + (field(9, raw) if raw else b"") + more


def initializer(*arguments: object, **keywords: object) -> bytes:
    """A GraphProto.initializer field."""
    return field(5, tensor(*arguments, **keywords))  # type: ignore[arg-type]
