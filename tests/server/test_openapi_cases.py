"""What our OpenAPI document says, tried by schemathesis: good requests and bad, case by case."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environments import Environment, set_up
from support import ROOT

SCHEMATHESIS = Environment("schemathesis", (("schemathesis==4.32.5",),))
KEY = "right-key"


def test_the_server_does_what_its_document_says(
    start: Callable[..., Any],
    frida: Path,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    python = set_up(SCHEMATHESIS, ROOT / ".cache" / "http")
    config = Path(__file__).with_name("schemathesis.toml")
    report = tmp_path / "report.json"
    with start(frida, API_KEY=KEY) as server:
        command = [*python, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
        command += [f"{server.url}/openapi.json", "--checks", "all", "--continue-on-failure"]
        command += ["--max-examples", str(amount(20, 1600)), "--seed", "1", "--no-color"]
        command += ["--header", f"Authorization: Bearer {KEY}"]
        command += ["--report", "json", "--report-json-path", str(report)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert server.get("/health").status == 200
    assert done.returncode == 0, done.stdout[-5000:]
    found = json.loads(report.read_text())
    cases = found["test_cases"]
    assert found["operations"]["tested"] == found["operations"]["total"] == 10
    assert cases["generated"] > amount(500, 10_000)
    assert cases["errored"] == 0
    figure(f"{cases['generated']} cases, {cases['with_failures']} failures")
