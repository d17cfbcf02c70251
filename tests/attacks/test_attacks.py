"""Each attack of the corpus is refused by name, by us, in little time and memory."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack_corpus import ATTACKS

from support import python

_HERE = Path(__file__).parent
_SECONDS, _MB = 1.0, 50.0
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform != "linux", reason="measures by forking, as Linux does"
)


def load_apart(bundles: list[Path]) -> list[dict[str, Any]]:
    """What loading each of them gave, in a process of its own."""
    lines = "".join(f"{bundle}\n" for bundle in bundles)
    done = python(_HERE / "refusals.py", stdin=lines.encode())
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def results(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What loading each attacked bundle gave."""
    root = tmp_path_factory.mktemp("attacks")
    attacked = []
    for number, attack in enumerate(ATTACKS.values()):
        bundle = root / str(number) / "bundle"
        shutil.copytree(bundles / attack.base, bundle)
        attack.spoil(bundle)
        attacked.append(bundle)
    given = load_apart(attacked)
    shutil.rmtree(root)
    return dict(zip(ATTACKS, given, strict=True))


@pytest.mark.parametrize("name", ATTACKS)
def test_refused_by_name(name: str, results: dict[str, dict[str, Any]]) -> None:
    attack, result = ATTACKS[name], results[name]
    assert result["error"] == attack.error, result["message"]
    assert re.search(attack.said, result["message"]), result["message"]
    assert len(result["message"]) < 1000
    assert not set(attack.unseen) & set(result["seen"])
    assert result["cpu"] < _SECONDS
    assert result["mb"] < _MB


def test_what_it_takes(results: dict[str, dict[str, Any]], figure: Callable[[str], None]) -> None:
    slowest = max(results, key=lambda name: results[name]["cpu"])
    largest = max(results, key=lambda name: results[name]["mb"])
    figure(
        f"{len(results)} attacks, all refused; the slowest took {results[slowest]['cpu']:.2f} s of "
        f"CPU ({slowest}), the largest {results[largest]['mb']:.0f} MB ({largest})"
    )


@pytest.mark.parametrize("base", sorted({attack.base for attack in ATTACKS.values()}))
def test_a_bundle_that_nobody_attacked(bundles: Path, base: str) -> None:
    """The watching itself sees what is handed on, and refuses nothing."""
    (result,) = load_apart([bundles / base])
    assert result["error"] == "", result["message"]
    assert result["seen"] == ["onnxruntime", "tokenizers"]
