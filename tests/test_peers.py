"""benchmarks/peers: a worker, started and asked as the bench does it, on a real bundle.

The whole bench takes hours and a dozen environments; this one is at hand.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from support import ROOT

TEXTS = ["Кошка сидит на окне.", "The cat", "a"]


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The bench's own modules, which are no package; gone again afterwards."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "peers")
    before = set(sys.modules)
    import measure as found  # type: ignore[import-not-found]

    yield found
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def launch(measure: Any, bundles: Path, tmp_path: Path) -> Any:
    (tmp_path / "venvs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "venvs" / "edgembed").symlink_to(sys.prefix, target_is_directory=True)
    (tmp_path / "models" / "edgembed").symlink_to(bundles / "tiny-frida")
    from catalogue import choose  # type: ignore[import-not-found]

    (peer,) = choose("edgembed-int8")
    return measure.Launch(peer, tmp_path / "venvs", tmp_path / "models", tmp_path / "logs")


def test_a_worker_gives_vectors_times_and_memory(measure: Any, launch: Any, bundles: Path) -> None:
    failures: dict[str, str] = {}
    with measure.running([launch], "a cat", failures) as workers:
        assert failures == {}
        worker = workers["edgembed-int8"]
        own = Embedder(bundles / "tiny-frida", dtype="int8").encode(TEXTS, prompt="")
        np.testing.assert_array_equal(worker.vectors(TEXTS, 2), own)
        assert len(worker.time([TEXTS], 2, repeats=3)["wall"]) == 3
        assert set(worker.ready["cold"]) == {"python", "import", "load", "first", "total", "cpu"}
        assert 10e6 < worker.ready["memory"]["rss"] <= worker.memory()["peak"]


def test_throughput_and_cold_start(measure: Any, launch: Any) -> None:
    with measure.running([launch], "a", {}) as workers:
        rates = measure.throughput(workers, TEXTS * 8, 8, 1, 1, log=lambda _: None)
    assert rates["edgembed-int8"]["texts_per_second"] > 0
    cold = measure.cold_start([launch], "a", rounds=1, slow_rounds=1)["edgembed-int8"]
    assert cold["seconds"]["total"]["median"] > 0
    assert cold["rss"] > 10e6


def test_latency_is_of_several_processes(measure: Any, launch: Any) -> None:
    """One after the other; a peer that is not in all of them has no figure."""
    seen = []

    def starts() -> Iterator[dict[str, Any]]:
        for _ in range(2):
            with measure.running([launch], "a", {}) as workers:
                seen.append(workers["edgembed-int8"])
                yield workers if len(seen) > 1 else {**workers, "once": seen[0]}

    (found,) = measure.latency(starts(), {8: TEXTS}, 3, turn_seconds=0.01, threads=1).items()
    assert seen[0] is not seen[1]
    assert found[0] == "edgembed-int8"
    assert found[1]["8"]["starts"] == 2
    assert len(found[1]["8"]["rounds_cpu"]) == len(found[1]["8"]["rounds_wall"]) == 6
    assert found[1]["8"]["wall_ms"]["median"] > 0


def test_a_ratio_tells_what_each_start_gave(measure: Any) -> None:
    from bars import write  # type: ignore[import-not-found]

    def peer(*rounds: float) -> Any:
        own = {"rounds_wall": rounds, "rounds_cpu": rounds, "starts": 2}
        return {n: own | {"cpu_ms": {"median": rounds[0]}} for n in ("8", "32", "128", "512")}

    names = {"edgembed-int8": peer(1, 1, 1, 2, 2, 2), "ctranslate2-int8": peer(*[3] * 6)}
    lines = write("M", {"latency": {"1": names}}).splitlines()
    (row,) = (line for line in lines if "8 tokens" in line and "128" not in line)
    assert "| 2.250 | 2.250 | 1.50 to 3.00 | ok |" in row


def test_a_peer_that_cannot_start_is_noted_and_left_out(measure: Any, launch: Any) -> None:
    (launch.models / "edgembed").unlink()
    failures: dict[str, str] = {}
    with measure.running([launch], "a", failures) as workers:
        assert workers == {}
    assert "no bundle" in failures["edgembed-int8"]


def test_no_peer_comes_after_the_same_one_each_time(measure: Any) -> None:
    peers = {str(number): number for number in range(6)}
    seen = [name for name, _ in measure.turns(peers, rounds=60, threads=1)]
    rounds = [seen[start : start + 6] for start in range(0, 360, 6)]
    assert all(sorted(one) == sorted(peers) for one in rounds)
    after: dict[str, set[str]] = {name: set() for name in peers}
    for one, other in pairwise(seen):
        after[other].add(one)
    assert all(len(before - {name}) == 5 for name, before in after.items())
    assert seen == [name for name, _ in measure.turns(peers, rounds=60, threads=1)]


def test_what_imports_take_of_a_cold_start(bundles: Path) -> None:
    """A row for each import, and the last for a vector; a program that fails is not a time."""
    script = ROOT / "benchmarks" / "peers" / "imports.py"
    command = [sys.executable, str(script), str(bundles / "tiny-frida"), "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == [
        "Python", "and numpy", "and onnxruntime", "and tokenizers", "a text's vector by edgembed",
    ]  # fmt: skip
    assert all(float(row[1]) > 0 for row in rows)
    done = subprocess.run(
        [*command[:2], "nowhere", "--rounds", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith("no bundle in nowhere: ")
