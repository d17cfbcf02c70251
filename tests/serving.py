"""A real server to talk to: `edgembed serve` in a process of its own, on a port of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
_URL = re.compile(r'url"?[=:] ?"?(http://[^ "]+)')


class Answer(NamedTuple):
    """A whole response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def floats(self) -> npt.NDArray[np.float32]:
        return np.array(self.json, np.float32)


@dataclass
class Server:
    """A running server, and the lines that it has logged so far."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)
    _ready: threading.Event = field(default_factory=threading.Event)
    _said: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> None:
        """Until it listens."""
        assert self._ready.wait(120), "the server does not start"
        assert self.url, f"the server has ended: {''.join(self.lines)}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
            if found := _URL.search(line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    def logged(self, part: str) -> list[str]:
        """The lines with that part; waits until there is one."""
        with self._said:
            assert self._said.wait_for(lambda: any(part in line for line in self.lines), 120)
            return [line for line in self.lines if part in line]

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; header names with _ for -."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            own = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, own, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, **{"content_type": "application/json"} | headers)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(15)
        self._reader.join(5)
        return code

    def kill(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()


def talk(server: Server, *pieces: bytes) -> bytes:
    """Send the pieces as they are; what comes back until the server closes the connection."""
    with socket.create_connection(server.address, timeout=20) as connection:
        for piece in pieces:
            with contextlib.suppress(ConnectionError):  # it need not hear us out
                connection.sendall(piece)
            if piece is not pieces[-1]:
                time.sleep(0.05)  # so that they are not read as one
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


@contextlib.contextmanager
def serve(
    bundle: Path,
    *flags: str,
    python: str = sys.executable,
    main: str = MAIN,
    under: Sequence[str] = (),
    command: Sequence[str] = (),
    **variables: str,
) -> Iterator[Server]:
    """A server of a bundle while the context lasts.

    python: of an environment with [serve]. main: what it runs. under: a command that runs it.
    command: another edgembed than that one's.
    """
    edgembed = command or [*under, python, "-W", "error", "-c", main]
    process = subprocess.Popen(
        [*edgembed, "serve", str(bundle), "--port", "0", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )
    server = Server(process)
    try:
        server.wait()
        yield server
        server.stop()
    finally:
        server.kill()
