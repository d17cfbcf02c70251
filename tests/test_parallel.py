"""One text runs on as many threads as are worth it, and gives the same bits on any number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgembed.cpu import flags, multiplies_bytes
from edgembed.engine import Engine
from edgembed.parallel import tokens_worth
from edgembed.spikes import Spikes
from edgembed.tensors import Tensor

SHORT, LONG = "The cat sits at the window.", "one two three four five six seven " * 30
LAYER = {
    "words": Tensor("float32", (30_522, 384), 0),  # of which a token is given one row
    "up": Tensor("float32", (384, 1536), 0),
    "down": Tensor("float32", (1536, 384), 0),
    "bias": Tensor("float32", (1536,), 0),
}


def loaded(engine: Engine) -> set[int]:
    """For which numbers of threads there is a session."""
    return set(engine._sessions._sessions)


def engine(bundles: Path, dtype: str, threads: int = 2, name: str = "minilm") -> Engine:
    made = Engine(bundles / name, dtype, threads)
    made.check_canaries("refuse")
    return made


def test_the_more_a_token_costs_the_shorter_a_text_is_worth_it() -> None:
    assert tokens_worth("float32", LAYER) == 39  # 45e6 / (2 x 384 x 1536), rounded up
    assert tokens_worth("int8", LAYER, by_bytes=True) == 594
    assert tokens_worth("int8", LAYER, by_bytes=False) == 340
    assert tokens_worth("int8", LAYER) == (594 if multiplies_bytes() else 340)
    twelve = {f"{name}.{i}": t for name, t in LAYER.items() for i in range(12)}
    assert tokens_worth("float32", twelve) == 4
    assert tokens_worth("float32", {}) == 45_000_000
    wide = {"up": Tensor("float32", (16_384, 4096), 0)}
    assert tokens_worth("float32", wide) == 1


CPUS = {
    "flags\t\t: fpu avx2 fma": False,
    "flags\t\t: fpu avx2 avx512_vnni": True,
    "flags\t\t: avx2 avx_vnni": True,
    "Features\t: fp asimd asimddp": True,
    "Features\t: fp asimd": False,
    "": True,  # not known
}


@pytest.mark.parametrize("own", CPUS)
def test_what_a_cpu_says_of_bytes(tmp_path: Path, own: str) -> None:
    """Of the first CPU, whatever the second one has."""
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{own}\n\nprocessor\t: 1\nflags\t: avx512_vnni asimddp\n")
    assert multiplies_bytes(file) is CPUS[own]
    assert multiplies_bytes(tmp_path / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/cpuinfo is Linux'")
def test_this_cpu_is_described() -> None:
    plain = {**os.environ, "LC_ALL": "C"}
    known = subprocess.run(["lscpu"], capture_output=True, text=True, check=True, env=plain).stdout
    (line,) = (own for own in known.splitlines() if own.lower().startswith(("flags", "features")))
    assert flags() == set(line.partition(":")[2].split())


def test_short_int8_texts_have_one_thread_and_long_ones_all(bundles: Path) -> None:
    model = engine(bundles, "int8")
    assert loaded(model) == {1}
    short = model.embed(SHORT).vector
    assert loaded(model) == {1}
    long = model.embed(LONG).vector
    assert loaded(model) == {1, 2}
    alone = engine(bundles, "int8", 1)
    assert (alone.embed(SHORT).vector == short).all()
    assert (alone.embed(LONG).vector == long).all()
    assert loaded(alone) == {1}


def test_float32_is_not_loaded_twice_for_a_short_text(bundles: Path) -> None:
    model = engine(bundles, "float32")
    model.embed("x")
    assert loaded(model) == {2}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_while_others_run_each_has_one_thread(bundles: Path, dtype: str) -> None:
    model = engine(bundles, dtype)
    before, spikes = loaded(model), model._sessions._spikes
    with ThreadPoolExecutor(1) as other:
        other.submit(spikes.begin, 7).result()
        beside = model.embed(LONG).vector
        assert loaded(model) == before | {1}
        other.submit(spikes.end).result()
    alone = model.embed(LONG).vector
    assert loaded(model) == {1, 2}
    assert (beside == alone).all()


def test_once_a_run_is_over_no_thread_spins(bundles: Path) -> None:
    model, burnt = engine(bundles, "float32"), []
    for _ in range(5):  # 40 ms each, if onnxruntime's threads were left to themselves
        model.embed(LONG)
        before = time.process_time()
        time.sleep(0.1)
        burnt.append(time.process_time() - before)
    assert loaded(model) == {2}
    assert min(burnt) < 0.01


def test_a_thread_does_not_count_itself_among_the_others() -> None:
    spikes = Spikes()
    assert not spikes.others()
    spikes.begin(1)  # as an interrupted call would leave it
    assert not spikes.others()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(spikes.others).result()
        spikes.end()
        assert not other.submit(spikes.others).result()
