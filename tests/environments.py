"""Environments of their own for other people's packages, made once and kept.

FOLDER/NAME keeps what was installed; it is made again when what is wanted changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "export.txt"


class SetupError(RuntimeError):
    """An environment cannot be made here; the message has what the installer said."""


@dataclass(frozen=True)
class Environment:
    """Packages that are installed together. stages: one run of the installer each, in order."""

    name: str
    stages: tuple[tuple[str, ...], ...]
    locked: bool = False  # to the versions that the export stage is locked to
    node: bool = False  # npm's packages instead of pip's
    files: tuple[Path, ...] = ()  # the environment is made again when one of them changes


def set_up(environment: Environment, work: Path) -> list[str]:
    """Make an environment unless it is there; returns the command that runs its scripts."""
    folder = work.absolute() / environment.name
    stamp = folder / ".ready"
    wanted = _fingerprint(environment)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        install = _install_node if environment.node else _install_python
        install(environment, folder)
        stamp.write_text(wanted)
    return ["node"] if environment.node else [str(_python(folder))]


def _fingerprint(environment: Environment) -> str:
    files = [*environment.files, *([LOCK] if environment.locked else [])]
    contents = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(repr((environment, sys.version_info[:2])).encode() + contents).hexdigest()


def _python(folder: Path) -> Path:
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def _install_python(environment: Environment, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], environment)
    lock = ["-c", str(LOCK)] if environment.locked else []
    for packages in environment.stages:
        install = [str(_python(folder)), "-m", "pip", "install", "--quiet", *lock, *packages]
        _run(install, environment)


def _install_node(environment: Environment, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise SetupError(f"{environment.name} needs Node.js 20 or newer: node and npm are missing")
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    # The packages' scripts only fetch CUDA libraries, and need not be trusted.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    for packages in environment.stages:
        _run(["npm", "install", *options, *packages], environment, folder)


def _run(command: list[str], environment: Environment, folder: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise SetupError(f"{environment.name}: {' '.join(command)} failed:\n{said}")
