"""A machine that computes other vectors than the exporter's is found out when it loads a model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from edgembed.canary import TOLERANCE, Canary, tolerance
from edgembed.checks import Fields
from edgembed.errors import ArgumentError, CanaryError, CanaryWarning, ManifestError

VECTOR = np.array([0.1, -2.5, 3e-39, 1e30], np.float32)


def test_a_vector_survives_the_manifest_bit_for_bit() -> None:
    text = json.dumps(Canary("Привет", {"int8": VECTOR}).to_json())
    again = Canary.parse(Fields.of_json(text.encode(), "m"))
    assert again.text == "Привет"
    assert again.vectors["int8"].tobytes() == VECTOR.tobytes()


@pytest.mark.parametrize(
    ("other", "distance"),
    [([1, 0], 0.0), ([5, 0], 0.0), ([0, 1], 1.0), ([-1, 0], 2.0), ([1, 1], 1 - 2**-0.5)],
)
def test_distance_is_one_minus_cosine(other: list[float], distance: float) -> None:
    canary = Canary("x", {"int8": np.array([2, 0], np.float32)})
    assert canary.distance("int8", np.array(other, np.float32)) == pytest.approx(distance, abs=1e-7)


@pytest.mark.parametrize("junk", ["***", "AAAA", "AAAAA", "Привет"])
def test_what_cannot_be_decoded_is_refused(junk: str) -> None:
    with pytest.raises(ManifestError, match="vectors"):
        Canary.parse(Fields.of({"text": "x", "vectors": {"int8": junk}}, "m"))


def change_canaries(bundle: Path, angle: float, which: slice = slice(None)) -> None:
    """Turn kept vectors by an angle, so that 1 - cosine is 1 - cos(angle)."""
    path = bundle / "manifest.json"
    document: dict[str, Any] = json.loads(path.read_text())
    assert document["canaries"][which]
    for entry in document["canaries"][which]:
        canary = Canary.parse(Fields.of(entry, "m"))
        turned = {}
        for dtype, vector in canary.vectors.items():
            unit = vector / np.linalg.norm(vector)
            across = np.roll(unit, 1) - unit * (unit @ np.roll(unit, 1))
            across /= np.linalg.norm(across)
            turned[dtype] = (np.cos(angle) * unit + np.sin(angle) * across).astype(np.float32)
        entry.update(Canary(canary.text, turned).to_json())
    path.write_text(json.dumps(document))


def test_the_machine_that_exported_passes(bundles: Path) -> None:
    for dtype in ("int8", "float32"):
        Embedder(bundles / "tiny-frida", dtype=dtype, canaries="refuse")


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_other_vectors_warn_refuse_or_pass(bundle_copy: Path, dtype: str) -> None:
    change_canaries(bundle_copy, 0.03)  # 1 - cosine 4.5e-4
    with pytest.warns(CanaryWarning, match="1 - cosine 4.5e-04") as caught:
        model = Embedder(bundle_copy, dtype=dtype)
    assert caught[0].filename == __file__  # the caller's line, not one of edgembed's
    with pytest.raises(CanaryError, match="onnxruntime version"):
        Embedder(bundle_copy, dtype=dtype, canaries="refuse")
    quiet = Embedder(bundle_copy, dtype=dtype, canaries="off")
    assert quiet.encode("x").tobytes() == model.encode("x").tobytes()


def allow(bundle: Path, mean: float) -> None:
    """Say that INT8 has this mean cosine to torch."""
    path = bundle / "manifest.json"
    document = json.loads(path.read_text())
    document["parity"]["int8"]["mean"] = mean
    path.write_text(json.dumps(document))


def test_strict_refuses_what_is_only_rounding(bundle_copy: Path) -> None:
    allow(bundle_copy, 0.9994)
    change_canaries(bundle_copy, 0.03)  # 1 - cosine 4.5e-4
    Embedder(bundle_copy, canaries="refuse")
    with pytest.raises(CanaryError, match=r"1 - cosine 4\.5e-04, at most 1e-04 is expected"):
        Embedder(bundle_copy, canaries="strict")


def test_strict_takes_what_is_nearer(bundle_copy: Path) -> None:
    allow(bundle_copy, 0.9994)
    change_canaries(bundle_copy, float(np.sqrt(TOLERANCE)))
    Embedder(bundle_copy, canaries="strict")


@pytest.mark.parametrize("which", [slice(1), slice(-1, None)], ids=["first", "last"])
def test_one_canary_of_several_is_enough(bundle_copy: Path, which: slice) -> None:
    change_canaries(bundle_copy, 0.03, which)
    with pytest.raises(CanaryError, match=r"1 - cosine 4\.5e-04"):
        Embedder(bundle_copy, canaries="refuse")


def test_the_message_names_the_exporters_onnxruntime(bundle_copy: Path) -> None:
    change_canaries(bundle_copy, 0.03)
    tools = json.loads((bundle_copy / "manifest.json").read_text())["tools"]
    with pytest.raises(CanaryError, match=re.escape(f"names ({tools['onnxruntime']})")):
        Embedder(bundle_copy, canaries="refuse")


@pytest.mark.parametrize("action", ["", "Refuse", None, True])
def test_only_so_many_things_can_be_done_about_it(bundles: Path, action: Any) -> None:
    with pytest.raises(ArgumentError, match="canaries must be one of warn, refuse, strict, off"):
        Embedder(bundles / "tiny-frida", canaries=action)


def test_int8_may_move_by_twice_what_it_is_from_torch() -> None:
    assert tolerance({}) == TOLERANCE
    assert tolerance({"mean": 1.0}) == TOLERANCE
    assert tolerance({"mean": 0.999}) == pytest.approx(2e-3)
    assert tolerance({"mean": 0.999, "activation_bits": 8}) == pytest.approx(2e-3)


def test_int8_with_16_bit_activations_may_move_no_more_than_float32() -> None:
    assert tolerance({"mean": 0.99, "activation_bits": 16}) == TOLERANCE


def test_rounding_is_tolerated(bundle_copy: Path) -> None:
    change_canaries(bundle_copy, float(np.sqrt(TOLERANCE)))  # half the tolerance
    Embedder(bundle_copy, canaries="refuse")


def test_a_bundle_without_canaries_loads(bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "canaries": []}))
    Embedder(bundle_copy, canaries="refuse")
