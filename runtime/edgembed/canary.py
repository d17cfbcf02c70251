"""Canaries: texts whose vectors the manifest keeps, to find out machines that compute others.

INT8 kernels differ between CPUs, so a vector that was verified on one machine is checked on the
next before it is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from edgembed.checks import Fields
from edgembed.errors import ArgumentError
from edgembed.floats import from_text, to_text
from edgembed.pooling import Float32, normalize

CanaryCheck = Literal["warn", "refuse", "strict", "off"]
"""What to do about other vectors than the exporter's: warn or raise where they are further off than
the bundle's own tolerance, raise where they are further off than TOLERANCE, or do not look."""

# Between machines a float32 vector moves by 1e-7 to 1e-6 (1 - cosine), one of INT8 with 16-bit
# activations by 1e-8: a step of those is 256 times smaller.
TOLERANCE = 1e-4


def tolerance(parity: Mapping[str, Any]) -> float:
    """How far a canary may be (1 - cosine) from its vector where the bundle was exported.

    parity: what the manifest says of the dtype, of which the mean cosine to torch and the bits of
    an activation count. A float kernel that rounds otherwise flips a few 8-bit activations, each
    of which flips more in the next layer: after some layers the rounding is another one
    altogether, so a vector may move by about as much as INT8 itself moved it from torch (measured
    between onnxruntime 1.23 and 1.32, and between AVX2 and AVX-512: up to that). More than twice
    as much is a wrong kernel: saturation costs 1e-2 and more.
    """
    if "mean" not in parity or parity.get("activation_bits", 8) > 8:
        return TOLERANCE
    return max(TOLERANCE, 2 * (1 - float(parity["mean"])))


def allowed(check: CanaryCheck, parity: Mapping[str, Any]) -> float:
    """How far a canary may be under a way to check; ArgumentError where there is no such way."""
    if check not in get_args(CanaryCheck):
        ways = ", ".join(get_args(CanaryCheck))
        raise ArgumentError(f"canaries must be one of {ways}, not {check!r}")
    return TOLERANCE if check == "strict" else tolerance(parity)


class Canary(NamedTuple):
    """A text, with its prompt already before it, and its vector under each dtype."""

    text: str
    vectors: dict[str, Float32]

    def distance(self, dtype: str, vector: Float32) -> float:
        """1 - cosine between the kept vector and the one computed here, (dim,) float32."""
        kept = normalize(self.vectors[dtype]).astype(np.float64)
        return float(1.0 - kept @ normalize(vector).astype(np.float64))

    def to_json(self) -> dict[str, Any]:
        """For the manifest: vectors as base64 of little-endian float32."""
        encoded = {dtype: to_text(vector) for dtype, vector in self.vectors.items()}
        return {"text": self.text, "vectors": encoded}

    @classmethod
    def parse(cls, fields: Fields) -> Canary:
        """The inverse of to_json."""
        vectors = {}
        for dtype, encoded in fields.strings("vectors").items():
            try:
                vectors[dtype] = from_text(encoded)
            except ValueError as error:
                raise fields.error("vectors", f"cannot be decoded ({error})") from error
        return cls(fields.string("text"), vectors)

    def check(self, dimension: int, fields: Fields) -> None:
        """ManifestError unless every vector is finite and of the bundle's dimension."""
        for vector in self.vectors.values():
            if vector.shape != (dimension,) or not np.isfinite(vector).all():
                raise fields.error("canaries", f"must hold finite vectors of {dimension} numbers")
