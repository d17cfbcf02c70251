"""JSON in and out: strict where it comes in, the shortest digits where it goes out.

JSON has no NaN and no infinity, and a client could do nothing with either: no array that holds one
is encoded.
"""

from __future__ import annotations

import base64
from typing import TypeVar

import msgspec
import numpy as np
import orjson

from edgembed.errors import InferenceError
from edgembed.pooling import Float32
from edgembed.service.errors import MALFORMED, VALIDATION, ServiceError

_T = TypeVar("_T")


def decode(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """A request of the decoder's type. ServiceError says where it is something else."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise ServiceError(VALIDATION, str(error), _field(str(error))) from None
    # A RecursionError is what too deep a nesting gives; the text of an error may quote the body.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ServiceError(MALFORMED, "the body is not valid JSON in UTF-8") from None


def encode(value: object) -> bytes:
    """JSON of msgspec's types."""
    return msgspec.json.encode(value)


def numbers(array: Float32) -> bytes:
    """JSON of a float32 array of any shape, in float32's own shortest digits.

    They read back bit for bit, and are half as long as the same numbers as float64.
    InferenceError where one of them is no number.
    """
    return orjson.dumps(_finite(array), option=orjson.OPT_SERIALIZE_NUMPY)


def base64_floats(array: Float32) -> str:
    """Base64 of a float32 array's bytes, little-endian; InferenceError as for numbers."""
    return base64.b64encode(_finite(array).astype("<f4").tobytes()).decode()


def _finite(array: Float32) -> Float32:
    if not np.isfinite(array).all():
        raise InferenceError(
            "the model gave NaN or infinity: nothing is sent of it; check the bundle with  "
            "edgembed info --verify"
        )
    return np.ascontiguousarray(array)


def _field(message: str) -> str | None:
    """The field that a message of msgspec is about.

    "... - at `$.input[0]`", "Object missing required field `input`"
    """
    _, found, rest = message.rpartition("`$.")
    if not found:
        _, found, rest = message.rpartition("missing required field `")
    return rest.partition("`")[0].partition("[")[0] if found else None
