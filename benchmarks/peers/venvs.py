"""One virtual environment a peer, made with pip alone, and what it weighs."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# These stand in every venv and belong to no peer.
_NOT_COUNTED = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")


def ensure(folder: Path, requirements: Sequence[str], repo: Path) -> None:
    """Make the venv unless one of the same requirements stands there already.

    The checkout ("{repo}") is installed again every time: it is what changes between two runs.
    """
    wanted = [requirement.replace("{repo}", str(repo)) for requirement in requirements]
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        _pip(folder, wanted)
        stamp.write_text(digest)
    elif any("{repo}" in requirement for requirement in requirements):
        _pip(folder, ["--force-reinstall", "--no-deps", str(repo)])


def _pip(folder: Path, arguments: Sequence[str]) -> None:
    command = [str(interpreter(folder)), "-m", "pip", "install", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip failed for {folder.name}: {done.stderr.strip()[-500:]}")


def interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def site_packages_bytes(folder: Path) -> int:
    """Bytes of a fresh site-packages, without pip and setuptools."""
    (site,) = folder.glob("lib/python*/site-packages")
    files = (path for path in site.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(
        path.stat().st_size
        for path in files
        if not path.relative_to(site).parts[0].startswith(_NOT_COUNTED)
    )


def versions(folder: Path) -> dict[str, str]:
    """Every distribution of the venv and its version."""
    command = [str(interpreter(folder)), "-m", "pip", "list", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {item["name"]: item["version"] for item in json.loads(done.stdout)}
    return {name: found[name] for name in sorted(found) if name not in _NOT_COUNTED}
