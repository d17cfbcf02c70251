"""What is shipped: both packages, their texts and types, and three dependencies."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def sources() -> set[str]:
    """Every file of the two packages as they stand in the tree."""
    packages = {"edgembed": ROOT / "runtime", "edgembed_export": ROOT / "export"}
    return {
        path.relative_to(root).as_posix()
        for package, root in packages.items()
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_contents(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == sources()
    assert {name.partition("/")[2] for name in info} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


@pytest.mark.parametrize(
    "name",
    [
        "edgembed/py.typed",
        "edgembed/embedder.py",
        "edgembed/cli/encode.py",
        "edgembed_export/py.typed",
        "edgembed_export/graph/__init__.py",
        "edgembed_export/texts/calibration.txt",
        "edgembed_export/texts/evaluation.txt",
        "edgembed/page/style.css",
    ],
)
def test_what_is_easily_forgotten(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()
    assert name.endswith("py.typed") or wheel.getinfo(name).file_size > 0


def test_dependencies_are_three(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    required = metadata.get_all("Requires-Dist") or []
    core = {re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line}
    assert core == {"numpy", "onnxruntime", "tokenizers"}
    assert {"export", "progress", "parquet"} <= set(metadata.get_all("Provides-Extra") or [])


def test_commands(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    said = wheel.read(path).decode()
    assert "edgembed = edgembed.cli:main" in said
    assert "edgembed-export = edgembed_export.cli:main" in said
    assert "checkpoint = edgembed_export.comparable:Checkpoint" in said


def test_an_installed_wheel_runs_without_the_tree(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    script = """
import sys
unpacked, tree = sys.argv[1:]
sys.path[:] = [unpacked] + [path for path in sys.path if not path.startswith(tree + "/r")]
import edgembed.embedder
print(edgembed.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path, ROOT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith(str(tmp_path)), done.stderr
