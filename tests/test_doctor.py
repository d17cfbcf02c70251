"""`edgembed doctor`: finds what is wrong, one thing at a time, and exits with 1."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgembed import Embedder
from edgembed.floats import to_text
from edgembed.threads import available_threads
from support import python
from test_canary import allow, change_canaries

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
UNSET: dict[str, str | None] = {"ORT_DISABLE_TELEMETRY": None}


def doctor(*arguments: str | Path, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    done = python("-c", MAIN, "doctor", *arguments, **{**UNSET, **environment})
    assert b"Traceback" not in done.stderr
    return done


def report(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.stdout)
    assert value["ok"] == all(check["ok"] for check in value["checks"].values())
    assert value["ok"] == (done.returncode == 0)
    return value["checks"]  # type: ignore[no-any-return]


def wrong(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [name for name, check in report(done).items() if not check["ok"]]


def test_a_sound_machine_and_bundle(bundles: Path) -> None:
    checks = report(doctor(bundles / "minilm", "--json"))
    assert list(checks) == ["versions", "cpu", "threads", "telemetry", "files", "int8", "float32"]
    assert checks["versions"]["onnxruntime"] == onnxruntime.__version__
    assert checks["threads"]["used"] == available_threads()
    assert checks["telemetry"]["off"] is True
    model = Embedder(bundles / "minilm", "int8")
    assert checks["int8"]["fingerprint"] == model.fingerprint
    assert checks["int8"]["distance"] <= checks["int8"]["allowed"]
    assert checks["int8"]["canaries"] > 0


def test_for_people(bundles: Path) -> None:
    done = doctor(bundles / "tiny-frida")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines if line[:1].strip()] == [
        ["ok", name]
        for name in ["versions", "cpu", "threads", "telemetry", "files", "int8", "float32"]
    ]
    assert max(map(len, lines)) <= 100


def test_without_a_bundle_the_machine_alone() -> None:
    assert list(report(doctor("--json"))) == ["versions", "cpu", "threads", "telemetry"]


def test_why_so_many_threads() -> None:
    script = f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {MAIN}"
    done = python("-c", script, "doctor", "--json", **UNSET)
    threads = report(done)["threads"]
    assert threads["used"] == 1
    assert "1: the affinity mask allows 1 of" in threads["text"]


def test_telemetry_that_somebody_switched_on() -> None:
    done = doctor("--json", ORT_DISABLE_TELEMETRY="0")
    assert wrong(done) == ["telemetry"]
    assert "unset it" in report(done)["telemetry"]["text"]


def test_every_spoilt_file_is_named(bundle_copy: Path) -> None:
    spoilt = bundle_copy / "config.json"
    spoilt.write_bytes(spoilt.read_bytes().swapcase())
    (bundle_copy / "modules.json").unlink()
    done = doctor(bundle_copy, "--json")
    # The tokenizer and the weights are whole, but a spoilt bundle is not loaded at all.
    assert wrong(done) == ["files", "int8", "float32"]
    faults = report(done)["files"]["faults"]
    assert len(faults) == 2
    assert "config.json" in faults[0] + faults[1]
    assert "modules.json is missing" in faults[0] + faults[1]
    assert doctor(bundle_copy).stdout.decode().count("WRONG") == 3


def test_weights_of_one_dtype(bundle_copy: Path) -> None:
    data = bundle_copy / "onnx" / "model.onnx_data"
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 2] ^= 1
    data.write_bytes(raw)
    done = doctor(bundle_copy, "--json")
    assert wrong(done) == ["files", "float32"]
    assert "model.onnx_data" in report(done)["float32"]["text"]


def test_a_machine_that_computes_other_vectors(bundle_copy: Path) -> None:
    manifest = json.loads((bundle_copy / "manifest.json").read_text("utf-8"))
    other = np.random.default_rng(0).normal(size=manifest["dimension"]).astype(np.float32)
    manifest["canaries"][1]["vectors"]["int8"] = to_text(other)
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    done = doctor(bundle_copy, "--json")
    assert wrong(done) == ["int8"]
    check = report(done)["int8"]
    assert check["distance"] > check["allowed"]
    assert f"onnxruntime {manifest['tools']['onnxruntime']}" in check["text"]


def test_a_machine_that_rounds_otherwise(bundle_copy: Path) -> None:
    allow(bundle_copy, 0.9994)
    change_canaries(bundle_copy, 0.03)
    done = doctor(bundle_copy, "--json")
    assert wrong(done) == ["float32"]
    assert "canaries='strict' refuses it" in report(done)["int8"]["text"]


@pytest.mark.parametrize("spoil", ["absent", "no manifest", "not JSON"])
def test_what_is_no_bundle(bundle_copy: Path, spoil: str) -> None:
    if spoil == "absent":
        shutil.rmtree(bundle_copy)
    elif spoil == "no manifest":
        (bundle_copy / "manifest.json").unlink()
    else:
        (bundle_copy / "manifest.json").write_text("{")
    assert wrong(doctor(bundle_copy, "--json")) == ["bundle"]
    assert b"WRONG bundle" in doctor(bundle_copy).stdout


def test_a_dependency_that_cannot_be_imported() -> None:
    script = f"""
import sys
sys.modules["onnxruntime"] = None
{MAIN}
"""
    done = python("-c", script, "doctor", "--json", **UNSET)
    assert wrong(done) == ["versions"]
    assert "onnxruntime" in report(done)["versions"]["text"]
