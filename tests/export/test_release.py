"""A release can be made again byte for byte, and what it stands on is locked with hashes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

LOCKS = sorted((ROOT / "requirements" / "locks").glob("*.txt"))
SOURCES = ("runtime", "export", "tests", "pyproject.toml", "README.md", "CHANGELOG.md",
           "SECURITY.md", "LICENSE",
           "Makefile")  # fmt: skip
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^ ;\\]+)")


def _build(folder: Path, seconds: int) -> dict[str, bytes]:
    """Wheel and sdist of a copy of the sources, whose files are of another time and order."""
    folder.mkdir()
    tree = folder / "some" / "where" / str(seconds)
    for name in sorted(SOURCES, reverse=bool(seconds % 2)):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tree / name)
    for path in tree.rglob("*"):
        os.utime(path, (seconds, seconds))
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist")],
        cwd=tree,
        env={**environment, "TZ": f"UTC{seconds % 12}", "PYTHONHASHSEED": str(seconds)},
        capture_output=True,
        check=True,
    )
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = _build(tmp_path / "one", 1_000_000_001), _build(tmp_path / "other", 1_700_000_000)
    assert {name.rpartition(".")[2] for name in one} == {"whl", "gz"}
    assert one == other


def _pins(path: Path) -> dict[str, str]:
    return {
        match[1].lower(): match[2]
        for line in path.read_text().splitlines()
        if (match := _PIN.match(line))
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_version_is_locked_with_hashes_and_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z])", text.replace("\\\n", ""), flags=re.IGNORECASE)
    assert len(entries) > 3
    for entry in entries:
        assert _PIN.match(entry), entry[:100]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:100]


@pytest.mark.parametrize(
    ("lock", "pins"),
    [
        ("runtime", "runtime"),
        ("serve", "runtime"),
        ("export", "export"),
        ("release", "test-export"),
    ],
)
def test_the_locks_are_of_the_versions_that_are_tested(lock: str, pins: str) -> None:
    locked = _pins(ROOT / "requirements" / "locks" / f"{lock}.txt")
    tested = _pins(ROOT / "requirements" / f"{pins}.txt")
    shared = locked.keys() & tested.keys()
    assert len(shared) >= 2
    assert {name: locked[name] for name in shared} == {name: tested[name] for name in shared}
    assert lock in ("release", "export") or {"numpy", "onnxruntime", "tokenizers"} <= shared
