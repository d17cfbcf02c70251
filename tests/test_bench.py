"""`edgembed bench`: every figure is there and may be read by programs. None is held to a bound."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import ModelLoadError
from edgembed.bench import cold, machine
from edgembed.bench.memory import resident
from edgembed.bench.run import Bench
from edgembed.bench.sentences import SENTENCES
from edgembed.bench.shape import Report
from edgembed.bench.spans import Spans
from edgembed.bench.stats import percentile, summary
from edgembed.bench.texts import TextCutter, log_normal_lengths, token_counter
from edgembed.bundle import Bundle
from edgembed.threads import available_threads
from support import BUNDLE_NAMES, DTYPES, python

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
PARTS = ("interpreter", "imports", "load", "first_call")


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return python("-c", MAIN, "bench", *arguments)


def complaints(value: Any, shape: Any, where: str = "report") -> list[str]:
    """Where a JSON value is not of the shape that a TypedDict describes."""
    if is_typeddict(shape):
        hints = get_type_hints(shape)
        if not isinstance(value, dict) or set(value) != set(hints):
            return [f"{where} has other keys: {value}"]
        return [c for k, h in hints.items() for c in complaints(value[k], h, f"{where}.{k}")]
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is list and isinstance(value, list):
        return [c for one in value for c in complaints(one, arguments[0], f"{where}[]")]
    if origin is dict and isinstance(value, dict):
        return [c for k, v in value.items() for c in complaints(v, arguments[1], f"{where}.{k}")]
    if origin in (Union, types.UnionType):
        return [] if any(not complaints(value, a) for a in arguments) else [f"{where}: {value}"]
    numeric = (int, float) if shape is float else shape
    right = origin is None and isinstance(value, numeric) and not isinstance(value, bool)
    return [] if right else [f"{where}: {value!r} is no {shape}"]


@pytest.fixture(scope="module")
def measured(
    bundles: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, list[str], list[str]]:
    """The JSON, the tables and the progress of one run."""
    out = tmp_path_factory.mktemp("bench") / "report.json"
    done = bench(bundles / "tiny-frida", "--seconds", "0.5", "--threads", "3", "--json", out)
    assert done.returncode == 0, done.stderr.decode()
    report: Report = json.loads(out.read_text(encoding="utf-8"))
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    return report, done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


Measured = tuple[Report, list[str], list[str]]


def test_the_json_has_the_shape_that_is_described(measured: Measured) -> None:
    assert complaints(measured[0], Report) == []
    assert (measured[0]["format"], measured[0]["version"]) == ("edgembed-bench", 1)


def test_the_check_of_the_shape_finds_faults(measured: Measured) -> None:
    report: Any = measured[0]
    for wrong in (
        report | {"mix": {}},
        report | {"extra": 1},
        report | {"latency": [{**report["latency"][0], "tokens": "8"}]},
        report | {"memory": [{**report["memory"][0], "rss": 0.5}]},
        report | {"options": {**report["options"], "seconds": True}},
    ):
        assert complaints(wrong, Report)


def test_every_latency_is_there(measured: Measured) -> None:
    rows = measured[0]["latency"]
    # 48 is the model's own limit; with two numbers of threads, the least and the most.
    assert [(r["tokens"], r["threads"], r["dtype"]) for r in rows] == [
        (tokens, threads, dtype) for threads in (1, 3) for tokens in (8, 32, 48) for dtype in DTYPES
    ]
    for row in rows:
        assert 0 < row["ms"]["p10"] <= row["ms"]["median"] <= row["ms"]["p99"]
        assert row["ms"]["n"] >= 2


def test_every_throughput_is_there(measured: Measured) -> None:
    report, mix = measured[0], measured[0]["mix"]
    rows = report["throughput"]
    assert [(row["threads"], row["dtype"]) for row in rows] == [
        (threads, dtype) for threads in (1, 2, 3) for dtype in DTYPES
    ]
    assert mix["texts"] >= 16
    assert mix["longest_tokens"] <= 48
    for row in rows:
        median = row["seconds"]["median"]
        assert row["texts_per_second"] == pytest.approx(mix["texts"] / median, rel=0.01)
        assert row["tokens_per_second"] == pytest.approx(mix["tokens"] / median, rel=0.01)


def test_every_part_of_the_cold_start_is_there(measured: Measured) -> None:
    rows = measured[0]["cold_start"]
    assert [(row["dtype"], row["threads"]) for row in rows] == [(dtype, 3) for dtype in DTYPES]
    for row in rows:
        assert set(row["seconds"]) == {*PARTS, "total", "cpu"}
        assert all(part["p10"] > 0 and part["n"] >= 3 for part in row["seconds"].values())
        # A part of 0 was renamed in the runtime and is not seen any more.
        assert all(seconds > 0 for seconds in row["inside"].values()), row["inside"]
        assert set(row["inside"]) == {
            *("numpy", "tokenizers", "onnxruntime"),
            *("bundle_check", "tokenizer", "session", "canaries"),
        }


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_parts_make_up_the_whole(bundles: Path, dtype: str) -> None:
    answer = cold.Start(bundles / "tiny-frida", 1, "a cat").run(dtype)
    seconds, inside = answer["seconds"], answer["inside"]
    assert sum(seconds[part] for part in PARTS) == pytest.approx(seconds["total"])
    assert inside["numpy"] + inside["tokenizers"] < seconds["imports"]
    assert inside["session"] < seconds["load"]
    assert inside["canaries"] < seconds["load"]


def test_memory_is_there(measured: Measured) -> None:
    assert [row["dtype"] for row in measured[0]["memory"]] == list(DTYPES)
    for row in measured[0]["memory"]:
        if sys.platform == "linux":
            assert row["rss"] is not None
            assert row["peak"] is not None
            assert 10e6 < row["rss"] <= row["peak"]


def test_the_environment_is_this_one(measured: Measured, bundles: Path) -> None:
    report, manifest = measured[0], Bundle.open(bundles / "tiny-frida").manifest
    own = report["environment"]
    assert own["python"] == ".".join(map(str, sys.version_info[:3]))
    names = ("edgembed", "numpy", "onnxruntime", "tokenizers")
    assert own["versions"] == {name: version(name) for name in names}
    assert own["cpus_allowed"] >= available_threads()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", own["date"])
    assert report["bundle"]["model"] == manifest.model.id
    assert report["bundle"]["max_seq_length"] == 48
    for dtype in DTYPES:
        assert report["bundle"]["fingerprints"][dtype] == manifest.dtypes[dtype].fingerprint
        assert report["bundle"]["bytes"][dtype] > 1000
    assert report["options"] == {"threads": 3, "seconds": 0.5, "seed": 0}


def test_variables_that_decide_speed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("HOME_ADDRESS", "nobody's business")
    found = machine.variables()
    assert found["OMP_NUM_THREADS"] == "7"
    assert "HOME_ADDRESS" not in found


def test_the_tables_fit_a_terminal_and_hold_the_figures(measured: Measured) -> None:
    report, shown, _ = measured
    variables = measured[0]["environment"]["variables"]  # as long as their values are
    assert all(len(line) <= 80 for line in shown if line.strip().split("=")[0] not in variables)
    text = "\n".join(shown)
    for heading in ("Latency", "Throughput", "Cold start", "Memory", "tiny-frida", "int8"):
        assert heading in text
    assert f"{report['throughput'][0]['texts_per_second']:.1f}" in text
    assert f"{(report['memory'][0]['rss'] or 0) / 1e6:.1f}" in text
    for part in ("interpreter", "imports", "bundle check", "tokenizer", "session", "first call"):
        assert part in text
    assert report["bundle"]["fingerprints"]["int8"][:16] in text


def test_progress_is_said_on_stderr_and_nothing_else_is(measured: Measured) -> None:
    said = measured[2]
    assert all(line.startswith("edgembed: measuring ") for line in said), said
    for what in ("latency of 8 tokens", "throughput", "memory, int8", "cold start"):
        assert any(what in line for line in said)


def test_one_dtype_as_json_on_stdout(bundles: Path) -> None:
    arguments = ("--dtype", "float32", "--threads", "1", "--seconds", "0.2", "--json", "-")
    report = json.loads(bench(bundles / "tiny-cls", *arguments).stdout)
    assert complaints(report, Report) == []
    assert set(report["bundle"]["bytes"]) == {"float32"}
    for part in ("latency", "throughput", "cold_start", "memory"):
        assert {row["dtype"] for row in report[part]} == {"float32"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "BUNDLE"),
        (["BUNDLE", "--dtype", "int4"], 2, "int4"),
        (["BUNDLE", "--dtype", "int8,"], 2, "''"),
        (["BUNDLE", "--threads", "0"], 2, "threads"),
        (["BUNDLE", "--threads", "many"], 2, "threads"),
        (["BUNDLE", "--seconds", "0"], 2, "seconds"),
        (["BUNDLE", "--seconds", "-1"], 2, "seconds"),
        (["BUNDLE", "--seconds", "nan"], 2, "seconds"),
        (["BUNDLE", "--seconds", "inf"], 2, "seconds"),
        (["BUNDLE", "--json", "absent/report.json"], 1, "absent"),
        (["absent"], 1, "no bundle"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_codes(
    bundles: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [str(bundles / "tiny-frida") if a == "BUNDLE" else a for a in arguments]
    done = bench(*filled)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"measuring" not in done.stderr  # found out before the time is spent
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_does_not_load(bundle_copy: Path, tmp_path: Path) -> None:
    graph = bundle_copy / Bundle.open(bundle_copy).manifest.dtypes["float32"].graph
    graph.write_bytes(graph.read_bytes().swapcase())
    done = bench(bundle_copy, "--json", tmp_path / "out.json")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"SHA-256" in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_bundle_that_goes_away_while_it_is_measured(bundle_copy: Path) -> None:
    start = cold.Start(bundle_copy, 1, "a")
    shutil.rmtree(bundle_copy)
    with pytest.raises(ModelLoadError, match="int8 does not load in a process of its own"):
        start.run("int8")


@pytest.mark.parametrize("arguments", [["bench", "--help"], ["slim", "--help"]], ids=str)
def test_help_imports_no_dependency(arguments: list[str]) -> None:
    script = """
import sys
from edgembed.cli import main
try:
    main(sys.argv[1:])
finally:
    names = {"numpy", "onnxruntime", "tokenizers", "edgembed.bench.run", "edgembed.slim"}
    print("heavy:", sorted(names & set(sys.modules)))
"""
    done = python("-c", script, *arguments)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "heavy: []"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_is_sent_and_nothing_written(bundles: Path, tmp_path: Path) -> None:
    # The processes that are started for the cold start are watched as well (-f).
    trace = tmp_path / "trace"
    calls = "trace=socket,connect,sendto,sendmsg,open,openat,creat,mkdir,mkdirat,rename,renameat2"
    command = ["strace", "-f", "-qq", "-e", calls, "-o", str(trace), sys.executable, "-B", "-c"]
    options = ["--seconds", "0.2", "--threads", "1", "--dtype", "int8", "--json", "-"]
    done = subprocess.run(
        [*command, MAIN, "bench", str(bundles / "tiny-frida"), *options],
        env={"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    )
    if b"ptrace" in done.stderr.lower():
        pytest.skip("this system does not allow ptrace")
    assert done.returncode == 0, done.stderr.decode()
    lines = trace.read_text().splitlines()
    assert sum("/_multiarray_umath." in line for line in lines) > 3  # each process was seen
    network = ("AF_INET", "sendto(", "sendmsg(", "connect(")
    assert [line for line in lines if any(call in line for call in network)] == []
    writes = ("O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "rename", "creat(")
    written = [line for line in lines if any(call in line for call in writes)]
    assert [line for line in written if "/dev/" not in line and "/proc/" not in line] == []


# --- texts


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_texts_have_as_many_tokens_as_asked(bundles: Path, name: str) -> None:
    bundle = Bundle.open(bundles / name)
    raw = (bundle.folder / bundle.manifest.tokenizer).read_bytes()
    cutter = TextCutter(token_counter(raw), SENTENCES * 8)
    for tokens in (4, 8, 32, 128, 512):
        text = cutter.cut(tokens)
        assert token_counter(raw)(text) == tokens
        assert set(text.split()) - {"."}  # words of the sentences, not mere padding


@given(st.integers(2, 40), st.integers(0, 5))
def test_a_tokenizer_that_cannot_give_so_many_gives_a_few_less(tokens: int, seed: int) -> None:
    def count(text: str) -> int:
        return 2 * len(text.split())  # never odd

    text = TextCutter(count, SENTENCES, seed).cut(tokens)
    assert count(text) == tokens - tokens % 2


def test_texts_are_seeded(bundles: Path) -> None:
    raw = (bundles / "minilm" / "tokenizer.json").read_bytes()
    cut = [
        [TextCutter(token_counter(raw), SENTENCES, seed).cut(20) for _ in range(2)]
        for seed in (0, 0, 1)
    ]
    assert cut[0] == cut[1] != cut[2]


def test_sentences_are_russian_and_english_by_halves() -> None:
    russian = [s for s in SENTENCES if re.search("[а-яё]", s)]
    assert len(russian) == len(SENTENCES) / 2
    assert len(set(SENTENCES)) == len(SENTENCES)
    assert not any(re.search("[a-zA-Z]", s) for s in russian)


def test_lengths_are_log_normal() -> None:
    lengths = log_normal_lengths(4000, median=30, sigma=0.8, longest=512)
    assert lengths == log_normal_lengths(4000, median=30, sigma=0.8, longest=512)
    assert (min(lengths), max(lengths)) >= (4, 200)
    logs = np.log(lengths)
    assert np.median(lengths) == pytest.approx(30, abs=2)
    assert logs.std() == pytest.approx(0.8, abs=0.05)
    assert max(log_normal_lengths(4000, median=30, sigma=0.8, longest=48)) == 48


# --- the small pieces


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50),
    st.floats(0, 100),
)
def test_percentile_is_numpy_s(samples: list[float], percent: float) -> None:
    own = percentile(samples, percent)
    assert own == pytest.approx(float(np.percentile(samples, percent)), rel=1e-9, abs=1e-6)


def test_summary() -> None:
    samples = [float(value) for value in range(101)]
    random.Random(0).shuffle(samples)
    assert summary(samples) == {"median": 50, "p10": 10, "p99": 99, "n": 101}


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_of_a_process_by_its_id() -> None:
    code = "import sys; block = b'x' * 50_000_000; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        found = resident(process.pid)
        process.stdin.close()
    assert found is not None
    assert 50e6 < found["rss"] <= found["peak"] < 100e6
    assert resident(process.pid) is None  # it has ended


WATCHED = """
import time
time.sleep(0.02)
class Worker:
    def __init__(self, name):
        time.sleep(0.02)
        self.name = name
    @classmethod
    def made(cls, name):
        return cls(name + "!")
    def fail(self):
        raise KeyError(self.name)
"""


def test_spans_time_without_changing_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watched_here.py").write_text(WATCHED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    calls = [("Worker", "__init__", "init"), ("Worker", "made", "made"), ("Worker", "fail", "fail")]
    spans = Spans({"watched_here": "import", "never_imported": "never"}, {"watched_here": calls})
    spans.install()
    import watched_here  # type: ignore[import-not-found]

    worker = watched_here.Worker.made("a")
    assert worker.name == "a!"
    with pytest.raises(KeyError, match="a!"):
        worker.fail()
    found = spans.seconds()
    assert set(found) == {"import", "never", "init", "made", "fail"}
    assert found["never"] == 0
    assert found["fail"] > 0
    assert found["import"] >= 0.02
    assert found["made"] >= found["init"] >= 0.02
    monkeypatch.delitem(sys.modules, "watched_here")


def test_the_library_s_own_entrance(bundles: Path) -> None:
    said: list[str] = []
    seen: Callable[[str], None] = said.append
    report = Bench(bundles / "tiny-cls", ["int8"], 1, 0.1, seen).run()
    assert complaints(json.loads(json.dumps(report)), Report) == []
    assert said
