"""Reading protobuf's wire format: the fields of one message, and nothing beyond its end.

A reader of our own, because the runtime has no onnx package and must look into a graph before
onnxruntime does. It is stricter than protobuf, so that the two cannot read different things: no
groups, no field numbers over 2047, and `message` takes no single field twice (protobuf would merge
them, or keep the last). Everything has a bound, so that no file makes it slow.
Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_UNKNOWN = 2**62  # beyond the end of anything
_MOST_FIELDS = 64


class WireError(ValueError):
    """These bytes are not the message that they should be."""


# One field: its number, its kind, and where its bytes are, data[start:stop]. Of a VARINT, start is
# the number itself, unsigned. (A plain tuple: a graph has thousands, and a cold start waits.)
Field = tuple[int, int, int, int]


def fields(data: bytes, at: int, end: int, most: int = _MOST_FIELDS) -> Iterator[Field]:
    """The fields of the message data[at:end], in order; WireError where it is none."""
    try:
        while at < end:
            most -= 1
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = _long_tag(data, at)
            kind = tag & 7
            if kind == BYTES:
                size = data[at]
                start = at + 1
                if size > 127:
                    size, start = varint(data, at)
                at = start + size
            elif kind == VARINT:
                start, at = varint(data, at)
            else:
                start = at
                at += _FIXED.get(kind, _UNKNOWN)
            if at > end or most < 0 or tag < 8:
                raise WireError("a field of no known kind, beyond the end, or one too many")
            yield tag >> 3, kind, start, at
    except IndexError as error:
        raise WireError("it ends in the middle of a field") from error


def _long_tag(data: bytes, at: int) -> tuple[int, int]:
    """A tag of two bytes, the first of which was just read."""
    if data[at] > 127:
        raise WireError("a field of a number that there is not")
    return data[at - 1] & 127 | data[at] << 7, at + 1


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of at most 64 bits, unsigned, and where it ends."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    value, shift = byte & 127, 7
    while byte > 127 and shift < 70:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    if byte > 127 or value >> 64:
        raise WireError("a number of more than 64 bits")
    return value, at + 1


def signed(value: int) -> int:
    """A varint as int64."""
    return value - 2**64 if value >> 63 else value


def message(data: bytes, at: int, end: int, single: dict[int, int]) -> dict[int, Field]:
    """The fields of a message in which none may stand twice, by number.

    single: the kind of each field that there may be; another field or kind is a WireError.
    """
    found: dict[int, Field] = {}
    for field in fields(data, at, end):
        number, kind, _, _ = field
        if single.get(number) != kind:
            raise WireError(f"field {number} should not be there")
        if number in found:
            raise WireError(f"field {number} stands there twice")
        found[number] = field
    return found


def content(data: bytes, field: Field | None) -> bytes:
    """A BYTES field's content; empty where it is missing or of another kind."""
    if field is None or field[1] != BYTES:
        return b""
    return data[field[2] : field[3]]


def numbers(data: bytes, field: Field) -> list[int]:
    """A repeated int64 field's few numbers, packed or alone."""
    number, kind, at, stop = field
    if kind == VARINT:
        return [signed(at)]
    if kind != BYTES or stop - at > 10 * _MOST_FIELDS:
        raise WireError(f"field {number} should hold a few whole numbers")
    found = []
    while at < stop:
        value, at = varint(data, at)
        found.append(signed(value))
    if at > stop:
        raise WireError("a number goes beyond the end of what it is in")
    return found
