"""The runner's side of preparing models: which step makes which folder, made once and kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import venvs
from catalogue import Peer

_STEPS = Path(__file__).with_name("build_steps.py")
# How a prepared folder is made: the step's name and its options.
_SOURCES = {
    "edgembed": ("edgembed",),
    "onnx": ("onnx",),
    "ctranslate2-int8": ("ctranslate2", "int8"),
    "ctranslate2-float32": ("ctranslate2", "float32"),
    "openvino-float32": ("openvino", "float32"),
    "openvino-int8": ("openvino", "int8"),
    "gguf": ("gguf",),
}


def prepare(
    checkpoint: Path, models: Path, peers: Sequence[Peer], build: Path, refresh: bool
) -> dict[str, str]:
    """Fill models/ with what the peers read; {source: what went wrong} for those that failed.

    refresh: make edgembed's bundle again, from the exporter as it is now.
    """
    models.mkdir(parents=True, exist_ok=True)
    base = models / "checkpoint"
    if not base.exists():
        _step(build, ("checkpoint",), checkpoint, base)
    wanted = dict.fromkeys(p.source for p in peers if p.source != "checkpoint")
    if any(source.startswith("openvino") for source in wanted):
        wanted = {"onnx": None, **wanted}  # OpenVINO converts the optimum export
    failures = {}
    for source in wanted:
        stale = refresh and source == "edgembed"
        if stale or not (models / source).exists():
            try:
                _step(build, _SOURCES[source], base, models / source)
            except RuntimeError as error:
                failures[source] = str(error)
    return failures


def _step(build: Path, step: tuple[str, ...], model: Path, out: Path) -> None:
    """Run one step into a temporary folder, so that a failed one leaves nothing behind."""
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    name, *options = step
    command = [str(venvs.interpreter(build)), str(_STEPS), name, str(model), str(draft), *options]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {(done.stderr or done.stdout).strip()[-800:]}")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)


def model_bytes(peer: Peer, models: Path) -> int:
    """Bytes of the files a deployment of this peer carries."""
    folder = models / peer.source
    if peer.source == "edgembed":
        manifest = json.loads((folder / "manifest.json").read_text())
        own = manifest["dtypes"][peer.dtype]
        files = {"manifest.json", manifest["tokenizer"], own["graph"], own["data"]}
        files |= {name for name in [manifest.get("vocabulary")] if name}
    else:
        found = (path for pattern in peer.files for path in folder.glob(pattern))
        files = {str(path.relative_to(folder)) for path in found if path.is_file()}
    return sum((folder / name).stat().st_size for name in files)
