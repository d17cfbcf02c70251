"""Servers to measure: started, awake one at a time, and asked how much CPU they took."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from catalogue import Peer

from peers.venvs import interpreter

_HERE = Path(__file__).parent
_PATIENCE = 180  # seconds until a server must answer
_REST = 0.5  # seconds for what the load left behind
# Left by some hosts to steer OpenBLAS to another kernel than the CPU deserves.
_REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


class ServerError(RuntimeError):
    """A server does not start, or does other work than the rest."""


@dataclass(frozen=True)
class Places:
    """Folders: venvs, logs, and what the servers load."""

    work: Path
    bundle: Path
    checkpoint: Path

    @property
    def onnx(self) -> Path:
        return self.work / "onnx"


class Server:
    """A running server."""

    def __init__(self, peer: Peer, places: Places) -> None:
        self.peer, self.port = peer, _free_port()
        names = {"bundle": places.bundle, "checkpoint": places.checkpoint, "port": self.port}
        command = [str(interpreter(places.work / "venvs" / peer.venv))]
        command += [word.format_map(names) for word in peer.command]
        own = {name: value.format_map(names) for name, value in peer.variables.items()}
        kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        self._log = places.work / "logs" / f"{peer.name}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=places.onnx if peer.in_onnx_folder else _HERE,
                env=kept | _QUIET | {"HF_HOME": str(places.work / "hub")} | own,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.peer.path}"

    def wait(self) -> None:
        """Until it answers. ServerError with the end of its log where it never does."""
        for _ in range(_PATIENCE * 4):
            if self._process.poll() is not None:
                break
            try:
                self.vectors(["a"])
            except (OSError, http.client.HTTPException):
                time.sleep(0.25)
            else:
                return
        said = self._log.read_text("utf-8", "replace")[-800:]
        raise ServerError(f"{self.peer.name} does not answer:\n{said}")

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, dim) float32. ServerError where it answers with anything else."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json"}
            connection.request("POST", self.peer.path, body(texts), headers)
            response = connection.getresponse()
            told: Mapping[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise ServerError(f"{self.peer.name} says {response.status}: {told}")
        return np.array([item["embedding"] for item in told["data"]], np.float32)

    def cpu_seconds(self) -> float:
        """Of the process and its children so far, all their threads."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._process.pid:  # the group that it leads
                    ticks += int(fields[11]) + int(fields[12])  # utime and stime
        return ticks / int(os.sysconf("SC_CLK_TCK"))

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """While the others are stopped: what rests may not compute either."""
        os.killpg(self._process.pid, signal.SIGCONT)
        try:
            yield
        finally:
            time.sleep(_REST)
            self.stop()

    def stop(self) -> None:
        """Until it is awake again."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def body(texts: Sequence[str]) -> bytes:
    """The same request for every server."""
    return json.dumps({"input": list(texts), "model": "all-MiniLM-L6-v2"}).encode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
