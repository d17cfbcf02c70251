"""The regression gate: INT8 is as good as the bundle's own report says it is, on real weights.

The texts are those that the export measured on (they are the project's own), and pairs that were
written and scored for this test. The float32 weights of the bundle stand for torch: the export
measured them at 1 - 1e-12, and test_embedder.py holds them against torch's vectors. The benchmarks
of model cards are in benchmarks/quality.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgembed import Embedder
from edgembed.agreement import neighbour_agreement, similarity_error, spearman
from support import ROOT, cosines, quietly

Float32 = npt.NDArray[np.float32]
Measured = dict[str, float]

TEXTS = ROOT / "export" / "edgembed_export" / "texts" / "evaluation.txt"
PAIRS = Path(__file__).with_name("quality_pairs.tsv")
# The same files on the same texts: what may differ is another CPU's rounding. Relative.
DRIFT = 0.1
# Neighbours are 129 yes-or-no answers: one that changes is no drift, three are.
NEIGHBOURS = 2 / 129
# Spearman of 42 pairs, in points of 100; INT8 is 0.0x away from float32.
POINTS = 0.5


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [line for line in TEXTS.read_text(encoding="utf-8").split("\n") if line.strip()]


@pytest.fixture(scope="module")
def reference(embedder: Callable[..., Embedder], texts: list[str]) -> Float32:
    vectors: Float32 = quietly(embedder("minilm", "float32"), texts)
    return vectors


def measure(reference: Float32, own: Float32) -> Measured:
    """What parity.json says of a dtype, measured anew."""
    close = cosines(reference, own)
    moved_mean, moved_most = similarity_error(reference, own)
    return {
        "mean": float(close.mean()),
        "p1": float(np.percentile(close, 1)),
        "min": float(close.min()),
        "similarity_error_mean": moved_mean,
        "similarity_error_max": moved_most,
        "neighbour_agreement": neighbour_agreement(reference, own),
    }


def drifted(report: Mapping[str, float], now: Measured) -> list[str]:
    """The figures that are not what the report says, better or worse."""
    found = []
    for name in ("mean", "p1", "min"):
        said, own = 1 - report[name], 1 - now[name]
        if not abs(own - said) <= DRIFT * said:
            found.append(f"{name}: 1 - {own:.2e}, the report says 1 - {said:.2e}")
    for name in ("similarity_error_mean", "similarity_error_max"):
        if not abs(now[name] - report[name]) <= DRIFT * report[name]:
            found.append(f"{name}: {now[name]:.2e}, the report says {report[name]:.2e}")
    if not abs(now["neighbour_agreement"] - report["neighbour_agreement"]) <= NEIGHBOURS:
        found.append(f"neighbour_agreement: {now['neighbour_agreement']:.3f}")
    return found


def report(bundle: Path) -> dict[str, float]:
    raw = json.loads((bundle / "parity.json").read_text(encoding="utf-8"))
    own: dict[str, float] = raw["dtypes"]["int8"]
    return own


def test_int8_is_what_its_report_says(
    bundles: Path,
    embedder: Callable[..., Embedder],
    texts: list[str],
    reference: Float32,
    figure: Callable[[str], None],
) -> None:
    said = report(bundles / "minilm")
    assert said["count"] == len(texts)  # the report speaks of these very texts
    now = measure(reference, quietly(embedder("minilm", "int8"), texts))
    figure(", ".join(f"{name} {value:.6f}" for name, value in now.items()))
    assert drifted(said, now) == []


def pairs() -> tuple[list[str], list[str], list[float]]:
    with PAIRS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    first, second, scores = zip(*rows, strict=True)
    return list(first), list(second), [float(score) for score in scores]


def points(model: Embedder) -> float:
    """Spearman with the scores of the pairs, in points of 100."""
    first, second, scores = pairs()
    alike = model.similarity_pairwise(model.encode(first), model.encode(second))
    return 100 * spearman(scores, alike)


def test_int8_ranks_pairs_as_float32_does(
    embedder: Callable[..., Embedder], figure: Callable[[str], None]
) -> None:
    whole, small = (points(embedder("minilm", dtype)) for dtype in ("float32", "int8"))
    figure(f"Spearman x 100: float32 {whole:.2f}, int8 {small:.2f}")
    assert whole > 80  # the pairs say something: a model that knows nothing is near 0
    assert abs(small - whole) <= POINTS


# What could go wrong with INT8 and still load, encode and look like vectors.
def coarser(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    return (weights // 4) * 4  # two bits fewer


def cut(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    return np.clip(weights, -48, 48)  # a scale chosen too small


@pytest.mark.parametrize("spoil", [coarser, cut])
def test_the_gate_closes_where_int8_is_spoilt(
    bundles: Path,
    tmp_path: Path,
    texts: list[str],
    reference: Float32,
    spoil: Callable[[npt.NDArray[np.int8]], npt.NDArray[np.int8]],
) -> None:
    bundle = Path(shutil.copytree(bundles / "minilm", tmp_path / "bundle"))
    _rewrite(bundle, spoil)
    spoilt = Embedder(bundle, "int8", canaries="off")
    found = drifted(report(bundle), measure(reference, quietly(spoilt, texts)))
    assert any(line.startswith("mean") for line in found), found


def _rewrite(bundle: Path, spoil: Callable[[npt.NDArray[np.int8]], npt.NDArray[np.int8]]) -> None:
    """Change every INT8 matrix but the embeddings, and the manifest's hash of the file."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    weights = manifest["dtypes"]["int8"]
    raw = bytearray((bundle / weights["data"]).read_bytes())
    for name, tensor in weights["tensors"].items():
        if tensor["dtype"] == "int8" and "embeddings" not in name:
            start, size = tensor["offset"], int(np.prod(tensor["shape"]))
            own = np.frombuffer(raw, np.int8, size, start)
            raw[start : start + size] = spoil(own.copy()).astype(np.int8).tobytes()
    (bundle / weights["data"]).write_bytes(raw)
    manifest["artifacts"][weights["data"]]["sha256"] = hashlib.sha256(raw).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
