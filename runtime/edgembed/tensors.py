"""The weights of an ONNX graph, looked at but not loaded: small ones inside, large ones outside."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from edgembed.wire import BYTES, VARINT, Field, WireError, content, fields, message, numbers

ONNX_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
"""TensorProto.DataType of the numpy dtypes that weights come in."""
ITEM_BYTES = {"float32": 4, "uint8": 1, "int8": 1, "int32": 4, "int64": 8, "bool": 1}
"""Of one number, of these and of what a tensor inside a graph may be besides."""
_INLINE_TYPES = {number: name for name, number in ONNX_TYPES.items()} | {9: "bool"}
_DIMS, _DATA_TYPE, _NAME, _DOC, _RAW, _EXTERNAL, _LOCATION, _METADATA = 1, 2, 8, 12, 9, 13, 14, 16
_HERE, _EXTERNALLY = 0, 1  # TensorProto.DataLocation
_SINGLE = {_DATA_TYPE: VARINT, _NAME: BYTES, _DOC: BYTES, _RAW: BYTES, _LOCATION: VARINT}
_MOST_DIMS = 8
_MOST_ITEMS = 2**40
_INTEGERS = {"int32": "i", "int64": "q"}
# What a graph may ask for by a shape, and the number that says "to the end" in others.
_LARGEST_SHAPE, _TO_THE_END = 2**31, 2**63 - 1


class Tensor(NamedTuple):
    """Where in the data file one weight stands: numpy dtype, shape, offset in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int

    def bytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


class Place(NamedTuple):
    """A weight outside the graph: numpy dtype, shape, file beside it, offset and size in bytes."""

    dtype: str
    shape: tuple[int, ...]
    file: str
    offset: int
    bytes: int


class Inside(NamedTuple):
    """A weight inside the graph, all of it: whether it is of whole numbers, and which.

    numbers: None where they are no list of a few.
    """

    whole: bool
    numbers: tuple[int, ...] | None = None


def read(data: bytes, at: int, end: int) -> tuple[str, Place | Inside]:
    """Check a TensorProto; its name, and where its content is."""
    own, dims, entries = _parts(data, at, end)
    name = content(data, own.get(_NAME)).decode()
    dtype = _INLINE_TYPES.get(own[_DATA_TYPE][2] if _DATA_TYPE in own else 0)
    if dtype is None:
        raise WireError(f"{name!r} is of a type that weights do not have")
    size = _items(dims, name) * ITEM_BYTES[dtype]
    location = own[_LOCATION][2] if _LOCATION in own else _HERE
    if location not in (_HERE, _EXTERNALLY):  # others would take it for the default
        raise WireError(f"it is not said where {name!r} stands")
    if location == _EXTERNALLY:
        return name, _outside(name, dtype, tuple(dims), size, entries, _RAW in own)
    raw = content(data, own.get(_RAW))
    if entries or len(raw) != size:
        raise WireError(f"{name!r} has {len(raw)} bytes of content instead of {size}")
    if dtype not in _INTEGERS:
        return name, Inside(whole=False)
    if len(dims) > 1 or math.prod(dims) > _MOST_DIMS:
        return name, Inside(whole=True)
    numbers_ = struct.unpack(f"<{math.prod(dims)}{_INTEGERS[dtype]}", raw)
    return name, Inside(whole=True, numbers=numbers_)


def _parts(data: bytes, at: int, end: int) -> tuple[dict[int, Field], list[int], dict[str, str]]:
    """A TensorProto's single fields by number, its dims, and its external_data."""
    own: dict[int, Field] = {}
    dims: list[int] = []
    entries: dict[str, str] = {}
    for field in fields(data, at, end):
        number, kind, _, _ = field
        if number == _DIMS:
            dims += numbers(data, field)
        elif number == _EXTERNAL:
            _add_entry(data, field, entries)
        elif number in own or _SINGLE.get(number) != kind:
            if number != _METADATA:
                raise WireError(f"tensor: field {number} should not be there")
        else:
            own[number] = field
    return own, dims, entries


def _items(dims: list[int], name: str) -> int:
    """How many numbers a tensor of this shape has."""
    if len(dims) > _MOST_DIMS or any(not 0 <= dim <= _MOST_ITEMS for dim in dims):
        raise WireError(f"{name!r} has an absurd shape")
    items = math.prod(dims)
    if items > _MOST_ITEMS:
        raise WireError(f"{name!r} has an absurd shape")
    return items


def is_absurd(inside: Inside, is_shape: bool) -> bool:
    """Whether a few whole numbers ask for more than there is: together, if they are a shape.

    Of a shape whose numbers are not known nobody can say what it asks for: that is absurd as well.
    """
    if inside.numbers is None:
        return is_shape
    sizes = [abs(n) for n in inside.numbers if is_shape or abs(n) < _TO_THE_END]
    return (math.prod(sizes) if is_shape else max(sizes, default=0)) > _LARGEST_SHAPE


def _add_entry(data: bytes, field: Field, entries: dict[str, str]) -> None:
    """One of external_data's entries, a key and its value."""
    _, kind, start, stop = field
    if kind != BYTES:
        raise WireError("tensor: field 13 should not be there")
    own = message(data, start, stop, {1: BYTES, 2: BYTES})
    key, value = (content(data, own.get(number)).decode() for number in (1, 2))
    if key in entries:
        raise WireError(f"external_data says {key[:80]!r} twice")
    entries[key] = value


def _outside(
    name: str, dtype: str, shape: tuple[int, ...], size: int, entries: dict[str, str], raw: bool
) -> Place:
    known = entries.keys() - {"checksum"} == {"location", "offset", "length"}
    if raw or not known or dtype not in ONNX_TYPES:
        raise WireError(f"it is not said where {name!r} stands")
    offset, length = _number(entries["offset"], name), _number(entries["length"], name)
    if length != size:
        raise WireError(f"{name!r} has {length} bytes outside the graph instead of {size}")
    return Place(dtype, shape, entries["location"], offset, length)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WireError(f"it is not said where {name!r} stands")
    return int(text)
