"""What differs from machine to machine moves a vector by less than canaries allow.

Two machines differ in the order in which they add, so in the last bit of their sums; and a user's
onnxruntime may be set to rewrite a graph. A CPU with AVX-512 can be taken for one without
(older_cpu.c). tests/export/test_saturation.py looks at 16-bit sums.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.canary import TOLERANCE, tolerance
from edgembed.engine import _arrays
from edgembed.pooling import normalize, pool
from edgembed.session import Session, ort
from support import BUNDLE_NAMES, DTYPES, cosines, python

LEVELS = ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
Run = Callable[[npt.NDArray[np.int64]], Any]


def texts_of(bundles: Path, name: str) -> list[str]:
    canaries = Bundle.open(bundles / name).manifest.canaries
    return [
        *json.loads((bundles / f"{name}.json").read_text())["texts"],
        *(c.text for c in canaries),
    ]


def vectors(bundles: Path, name: str, run: Run) -> npt.NDArray[np.float32]:
    """What a way of running the graph gives for the bundle's texts."""
    model = Embedder(bundles / name, "float32", 1)
    pooling = Bundle.open(bundles / name).manifest.pooling
    ids = [model._engine.tokenizer.encode(text).ids[None] for text in texts_of(bundles, name)]
    return np.stack([normalize(pool(run(own)[0], pooling)) for own in ids])


def plainly(path: Path, **settings: str) -> Run:
    """The graph as somebody else would run it: by its path."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    for key, value in settings.items():
        if key == "level":
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, value)
        else:
            options.add_session_config_entry(f"session.{key}", value)
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {"input_ids": ids})[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_onnxruntimes_own_rewriting_changes_nothing(
    bundles: Path, name: str, dtype: str, figure: Callable[[str], None]
) -> None:
    bundle = Bundle.open(bundles / name)
    path = bundle.folder / bundle.weights(dtype).graph
    plain = vectors(bundles, name, plainly(path, level="ORT_DISABLE_ALL"))
    furthest = 0.0
    for level in LEVELS:
        other = vectors(bundles, name, plainly(path, level=level))
        furthest = max(furthest, float((1 - cosines(plain, other)).max()))
    assert furthest <= (1e-6 if dtype == "float32" else TOLERANCE)
    figure(f"1 - cosine with and without graph optimisation: {furthest:.0e} at most")


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_exact_products_change_nothing(bundles: Path, name: str) -> None:
    """Where the CPU adds products in 16 bits, x64quantprecision asks for kernels that do not."""
    bundle = Bundle.open(bundles / name)
    path = bundle.folder / bundle.weights("int8").graph
    quick, exact = (vectors(bundles, name, plainly(path, x64quantprecision=x)) for x in "01")
    np.testing.assert_array_equal(quick, exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_last_bit_moves_vectors_by_less_than_canaries_allow(
    bundles: Path, dtype: str, figure: Callable[[str], None]
) -> None:
    """The float32 weights changed by their last bit, as rounding on another machine might."""
    bundle = Bundle.open(bundles / "minilm")
    weights, contents = bundle.weights(dtype), bundle.read(dtype)
    arrays = _arrays(weights, contents[weights.data])
    graph, folder = bytes(contents[weights.graph]), (bundle.folder / weights.graph).parent
    plain = vectors(bundles, "minilm", Session(graph, arrays, folder, 1).run)
    furthest = 0.0
    for seed in range(5):
        generator = np.random.default_rng(seed)
        other = {name: _nudged(array, generator) for name, array in arrays.items()}
        moved = vectors(bundles, "minilm", Session(graph, other, folder, 1).run)
        furthest = max(furthest, float((1 - cosines(plain, moved)).max()))
    allowed = tolerance(bundle.manifest.parity[dtype])
    assert 0 < furthest < allowed / 2
    figure(f"1 - cosine {furthest:.1e} at most, {allowed:.1e} are allowed")


def _nudged(array: npt.NDArray[Any], generator: np.random.Generator) -> npt.NDArray[Any]:
    if array.dtype != np.float32:
        return array
    towards = generator.choice(np.array([-np.inf, np.inf], np.float32), array.shape)
    return np.where(generator.random(array.shape) < 0.5, array, np.nextafter(array, towards))


EMBED = """
import json, os, sys
import numpy as np
from numpy._core._multiarray_umath import __cpu_features__
from edgembed import Embedder
assert __cpu_features__["AVX512F"] is ("LD_PRELOAD" not in os.environ)
model = Embedder(sys.argv[1], sys.argv[2], 1, canaries="refuse")
np.save(sys.argv[3], model.encode(json.load(sys.stdin)))
"""


@pytest.fixture(scope="session")
def older_cpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process is loaded with to take this CPU for one without AVX-512, VNNI and AMX."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    if missing := {"cpuid_fault", "avx512f"} - flags:
        pytest.skip(f"this CPU cannot be taken for an older one: no {', '.join(sorted(missing))}")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("older_cpu.c needs a C compiler: cc is not there")
    made = tmp_path_factory.mktemp("cpu") / "older_cpu.so"
    source = Path(__file__).with_name("older_cpu.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_a_cpu_without_avx512_passes_the_canaries_and_agrees(
    bundles: Path, older_cpu: Path, tmp_path: Path, name: str, dtype: str,
    figure: Callable[[str], None],
) -> None:  # fmt: skip
    texts, rows = json.dumps(texts_of(bundles, name)).encode(), []
    for preload in (None, str(older_cpu)):
        path = tmp_path / f"{len(rows)}.npy"
        done = python("-c", EMBED, bundles / name, dtype, path, stdin=texts, LD_PRELOAD=preload)
        assert not done.returncode, done.stderr.decode()
        rows.append(np.load(path))
    furthest = float((1 - cosines(*rows)).max())
    allowed = tolerance(Bundle.open(bundles / name).manifest.parity["int8"])
    assert furthest <= (1e-6 if dtype == "float32" else allowed)
    same = int((rows[0] == rows[1]).all(axis=1).sum())
    figure(f"1 - cosine {furthest:.1e} at most; {same} of {len(rows[0])} equal bit by bit")
