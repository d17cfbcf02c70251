"""The systems, and their vectors, each computed once and kept on disk.

A file is named after its system (with what identifies its weights) and its texts, so a bundle that
was exported anew gets new vectors, and everything else is read.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from catalogue import PEERS, Peer
from scores import Float32
from tasks import Setting, Task

from edgembed import TruncationWarning
from edgembed.pooling import normalize

# By their names in the tables: peers of benchmarks/peers. Bare onnxruntime runs the file that
# optimum's avx2 preset made; what optimum itself would put around it changes no vector.
SYSTEMS = {
    "torch": "st-torch",
    "torch bfloat16": "st-torch-bfloat16",
    "float32": "edgembed-float32",
    "int8": "edgembed-int8",
    "CTranslate2 int8": "ctranslate2-int8",
    "optimum avx2 int8": "onnxruntime-int8",
}
# For scale: what torch itself loses by numbers of 16 bits. No peer of the speed benchmark.
_TORCH = next(own for own in PEERS if own.name == "st-torch")
_BFLOAT16 = replace(
    _TORCH,
    name="st-torch-bfloat16",
    dtype="bfloat16",
    options={**_TORCH.options, "dtype": "bfloat16"},
)
BATCH = 32  # texts of neighbouring lengths; edgembed runs each text alone all the same


def peer(system: str) -> Peer:
    return next(own for own in (*PEERS, _BFLOAT16) if own.name == SYSTEMS[system])


class Store:
    """The vectors of one model's systems. models: what benchmarks/peers' prepare.py made."""

    def __init__(
        self, models: Path, folder: Path, threads: int, log: Callable[[str], None]
    ) -> None:
        self._models, self._folder, self._threads, self._log = models, folder, threads, log
        self._loaded: dict[str, Callable[..., Float32]] = {}
        weights = (models / "checkpoint" / "model.safetensors").read_bytes()
        self._checkpoint = hashlib.sha256(weights).hexdigest()

    def key(self, system: str) -> str:
        """What identifies a system's vectors: a bundle's fingerprint, or the checkpoint's hash."""
        own = peer(system)
        found = self._checkpoint
        if own.source == "edgembed":
            manifest = json.loads((self._models / "edgembed" / "manifest.json").read_text("utf-8"))
            found = manifest["dtypes"][own.dtype]["fingerprint"]
        return f"{own.name}-{found[:12]}"

    def of(self, system: str, task: Task, setting: Setting) -> dict[str, Float32] | None:
        """A task's vectors by role, as `get` gives them; None where any are not there yet."""
        wanted = {role: (setting.prompts[role], texts) for role, texts in task.texts.items()}
        if not all(self._has(system, *one) for one in wanted.values()):
            return None
        return {role: self.get(system, *one) for role, one in wanted.items()}

    def get(self, system: str, prompt: str, texts: Sequence[str]) -> Float32:
        """(n, dim) float32 of norm 1, a row a text; computed where they are not there yet."""
        distinct = _distinct(prompt, texts)
        path = self._path(system, distinct)
        if not path.is_file():
            self._log(f"{system}: {len(distinct)} texts, prompt {prompt!r}")
            _save(path, self._encode(system, distinct))
        place = {text: index for index, text in enumerate(distinct)}
        rows: Float32 = np.load(path)[[place[prompt + text] for text in texts]]
        return rows

    def _has(self, system: str, prompt: str, texts: Sequence[str]) -> bool:
        if not (self._models / peer(system).source).is_dir():
            return False
        return self._path(system, _distinct(prompt, texts)).is_file()

    def _path(self, system: str, distinct: Sequence[str]) -> Path:
        digest = hashlib.sha256(json.dumps(distinct).encode()).hexdigest()
        return self._folder / self.key(system) / f"{digest[:20]}.npy"

    def _encode(self, system: str, texts: Sequence[str]) -> Float32:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)  # every system cuts at 512 tokens
            vectors = self._load(system)(list(texts), BATCH)
        # Again, for bfloat16: its own norms are 1 within 0.4 % only, which is no matter of cosines.
        return normalize(np.asarray(vectors, np.float32))

    def _load(self, system: str) -> Callable[..., Float32]:
        if system not in self._loaded:
            own = peer(system)
            adapter = importlib.import_module(f"adapters.{own.adapter}").Adapter
            folder = str(self._models / own.source)
            self._loaded[system] = adapter(folder, self._threads, dict(own.options)).encode
        return self._loaded[system]


def _distinct(prompt: str, texts: Sequence[str]) -> list[str]:
    return sorted({prompt + text for text in texts})


def _save(path: Path, vectors: Float32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("wb") as file:
        np.save(file, vectors)
    draft.replace(path)
