"""What the reader of graphs takes at the edge of its limits, and refuses one step beyond."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgembed import graph
from edgembed.errors import UnsafeArtifactError
from edgembed.tensors import ITEM_BYTES, ONNX_TYPES, Place
from wire_writer import field, initializer, node, tensor, varint

_BOOL, _FLOAT = 9, ONNX_TYPES["float32"]


def _read(*parts: bytes) -> graph.Graph:
    return graph.read(field(1, 8) + field(7, b"".join(parts)), "some.onnx")


def _int64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def _list(*numbers: int) -> bytes:
    return initializer("x", (len(numbers),), _int64(*numbers))


def _outside(
    offset: str = "64", length: str = "48", dtype: int = _FLOAT, raw: bytes = b"", more: bytes = b""
) -> bytes:
    """A weight of 3 x 4 numbers in another file; an entry that is empty is left out."""
    said = {"location": "data", "offset": offset, "length": length}
    entries = b"".join(field(13, field(1, k) + field(2, v)) for k, v in said.items() if v)
    return initializer("w", (3, 4), raw, dtype, entries + more + field(14, 1))


_CHECKSUM = field(13, field(1, "checksum") + field(2, "0"))
_UNKNOWN = field(13, field(1, "basepath") + field(2, "x"))
_AS_SHAPE = node("Reshape", inputs=("a", "x"))
_NUMBER = node("Add", inputs=("a", "x"))


def _constant(*numbers: int) -> bytes:
    value = tensor("", (len(numbers),), _int64(*numbers))
    return node("Constant", more=field(5, field(1, "value") + field(5, value)))


_TAKEN = {
    "eight dimensions": initializer("x", (1,) * 8, _int64(0)),
    "nothing in a dimension": initializer("x", (0,), b""),
    "truth values": initializer("x", (3,), b"\1\0\1", _BOOL),
    "a checksum of what is outside": _outside(more=_CHECKSUM),
    "an offset of 18 digits": _outside(offset="9" * 18),
    "four uses of one weight": _outside() + node("Add", inputs=("a", "w")) * 4,
    "a number of 2^31": _list(2**31) + _NUMBER,
    "to the end": _list(2**63 - 1) + _NUMBER,
    "a shape of 2^31": _list(2**15, 2**16) + _AS_SHAPE,
    "an empty shape": _list() + _AS_SHAPE,
    "a shape of eight numbers": _list(*[1] * 8) + _AS_SHAPE,
    "large numbers that are no shape": _list(*[2**30] * 3) + _NUMBER,
    "many numbers that are no shape": _list(*[2**40] * 9) + _NUMBER,
    "a matrix of numbers": initializer("x", (2, 2), _int64(*[2**40] * 4)) + _NUMBER,
    "what is reshaped": initializer("x", (1,), b"\0" * 4, _FLOAT)
    + node("Reshape", inputs=("x", "a")),
    "a shape of 2^31 in an attribute": _constant(2**15, 2**16),
    "floats in an attribute": node(
        "Constant", more=field(5, field(1, "value") + field(5, tensor("", (), b"\0" * 4, _FLOAT)))
    ),
    "64 fields of a node": node("Add", inputs=("a",) * 61),
}

_REFUSED = {
    "nine dimensions": (initializer("x", (1,) * 9, _int64(0)), "absurd shape"),
    "an offset of 19 digits": (_outside(offset="9" * 19), "not said where"),
    "an offset in digits of a kind": (_outside(offset="²"), "not said where"),
    "no length": (_outside(length=""), "not said where"),
    "another entry": (_outside(more=_UNKNOWN), "not said where"),
    "truth values outside": (_outside(length="12", dtype=_BOOL), "not said where"),
    "content inside and outside": (_outside(raw=b"\0" * 48), "not said where"),
    "an entry for what is inside": (
        initializer("x", (1,), _int64(0), 7, _CHECKSUM), "bytes of content",
    ),
    "five uses of one weight": (
        _outside() + node("Add", inputs=("a", "w")) * 5, "is used 5 times",
    ),
    "a number over 2^31": (_list(2**31 + 1) + _NUMBER, "absurd shape"),
    "a number over 2^31 among others": (_list(1, 2**31 + 1, 0) + _NUMBER, "absurd shape"),
    "a negative number under -2^31": (_list(-(2**31) - 1) + _NUMBER, "absurd shape"),
    "the end in a shape": (_list(1, 2**63 - 1) + _AS_SHAPE, "absurd shape"),
    "a shape over 2^31": (_list(2**16, 2**16) + _AS_SHAPE, "absurd shape"),
    "a shape over 2^31 in an attribute": (_constant(2**16, 2**16), "attribute asks"),
    "a type twice": (initializer("x", (), _int64(0), 7, field(2, 7)), "should not be there"),
    "65 fields of a node": (node("Add", inputs=("a",) * 62), "one too many"),
    "an operator that is a number": (field(1, field(4, 3)), "is not allowed"),
    "an input without a type": (field(11, field(1, "a")), "not a tensor"),
    "an input's name twice": (field(11, field(1, "a") * 2), "stands there twice"),
    "a shape of numbers packed beyond the end": (
        field(5, field(1, b"\x80") + field(2, 7) + field(8, "x")), "beyond the end|middle",
    ),
    "a shape of a thousand dimensions, packed": (
        field(5, field(1, b"\1" * 1000) + field(2, 7) + field(8, "x")), "a few whole numbers",
    ),
    "a shape in floats": (
        field(5, varint(1 << 3 | 5) + b"\0" * 4 + field(2, 7) + field(8, "x")), "a few whole",
    ),
    "a field of number 3,000": (field(5, varint(3000 << 3) + b"\0"), "number that there is not"),
    "a number of 65 bits": (field(5, b"\x10" + b"\xff" * 9 + b"\x03"), "64 bits"),
}  # fmt: skip


@pytest.mark.parametrize("name", _TAKEN)
def test_what_is_taken(name: str) -> None:
    _read(_TAKEN[name])


@pytest.mark.parametrize("name", _REFUSED)
def test_what_is_refused(name: str) -> None:
    parts, said = _REFUSED[name]
    with pytest.raises(UnsafeArtifactError, match=said):
        _read(parts)


@pytest.mark.parametrize("dtype", ONNX_TYPES)
def test_weights_of_every_type(dtype: str) -> None:
    length = 12 * ITEM_BYTES[dtype]
    found = _read(_outside(length=str(length), dtype=ONNX_TYPES[dtype]))
    assert found.external == {"w": Place(dtype, (3, 4), "data", 64, length)}


@given(st.lists(st.integers(0, 2**20), max_size=2), st.integers(0, 10**18 - 1))
@example([127, 128], 0)
@example([2**14 - 1, 2**14], 2**63 // 10)
def test_places_are_read_as_they_were_written(shape: list[int], offset: int) -> None:
    """Dimensions packed or alone: writers of protobuf may do either, and onnx reads both."""
    place = Place("uint8", tuple(shape), "data", offset, math.prod(shape))
    said = {"location": place.file, "offset": place.offset, "length": place.bytes}
    rest = field(2, ONNX_TYPES["uint8"]) + field(8, "w") + field(14, 1)
    rest += b"".join(field(13, field(1, key) + field(2, str(v))) for key, v in said.items())
    for dims in (b"".join(field(1, n) for n in shape), field(1, b"".join(map(varint, shape)))):
        assert _read(field(5, dims + rest)).external == {"w": place}


@pytest.mark.parametrize("rest", [b"\x12", b"\x12\x80", b"\x08", b"\x08\xff", b"\x88"])
def test_a_file_that_ends_in_a_field_is_no_graph(rest: bytes) -> None:
    with pytest.raises(UnsafeArtifactError, match="in the middle of a field"):
        graph.read(field(7, node("Add")) + rest, "some.onnx")


def test_inputs_and_outputs() -> None:
    def value(*dims: bytes) -> bytes:
        shape = b"".join(field(1, dim) for dim in dims)
        return field(1, "a") + field(2, field(1, field(1, _FLOAT) + field(2, shape)))

    dim, free = field(1, 384), field(2, "tokens")
    assert _read(field(11, value(free, dim))).inputs == {"a": (_FLOAT, 384)}
    assert _read(field(11, value(dim, free))).inputs == {"a": (_FLOAT, None)}
    assert _read(field(12, value())).outputs == {"a": (_FLOAT, None)}
