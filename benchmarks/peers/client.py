"""Starts workers and talks to them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import venvs
from catalogue import Peer

from edgembed.bench.memory import Memory, resident

_WORKER = Path(__file__).with_name("worker.py")
# Left by some hosts to steer OpenBLAS to another kernel than the CPU deserves.
_REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip


@dataclass(frozen=True)
class Launch:
    """All that decides how a worker is started."""

    peer: Peer
    venvs: Path
    models: Path
    logs: Path
    threads: int = 1
    callers: int = 1

    @property
    def label(self) -> str:
        return self.peer.name + (" (pool)" if self.callers > 1 else "")


class WorkerError(RuntimeError):
    """A worker died; the message ends with the last of what it said."""


class Worker:
    """A running peer; closing it ends its process."""

    def __init__(self, launch: Launch, first_text: str) -> None:
        self._launch = launch
        launch.logs.mkdir(parents=True, exist_ok=True)
        self._log = launch.logs / f"{launch.label}.{launch.threads}.log"
        command = [
            str(venvs.interpreter(launch.venvs / launch.peer.venv)), str(_WORKER),
            launch.peer.adapter, str(launch.models / launch.peer.source), str(launch.threads),
            str(launch.callers), json.dumps(dict(launch.peer.options)),
        ]  # fmt: skip
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, str(time.monotonic()), first_text],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=_environment(launch.threads),
            )  # fmt: skip
        try:
            # While it waits for a request nothing changes: its memory is that of the first vector.
            self.ready = self._answer() | {"memory": self.memory()}
        except WorkerError:
            self.close()
            raise

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self._launch.label}: {self._log.read_text().strip()[-800:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def vectors(self, texts: Sequence[str], batch: int) -> npt.NDArray[np.float32]:
        answer = self.ask(op="encode", texts=list(texts), batch=batch)
        raw = np.frombuffer(base64.b64decode(answer["vectors"]), np.float32)
        vectors: npt.NDArray[np.float32] = raw.reshape(answer["shape"])
        return vectors

    def memory(self) -> Memory:
        """Its resident bytes now, and at their highest."""
        found = resident(self._process.pid)
        if found is None:
            raise WorkerError(f"{self._launch.label}: it is gone, or this is not Linux")
        return found

    def time(
        self, groups: list[list[str]], batch: int, repeats: int, warmup: int = 1
    ) -> dict[str, list[float]]:
        """Wall and CPU seconds of `repeats` calls."""
        return self.ask(op="time", groups=groups, batch=batch, repeats=repeats, warmup=warmup)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _environment(threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
    budget = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}
    tokenizers = {"TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
    return {**kept, **budget, **quiet, **tokenizers}
