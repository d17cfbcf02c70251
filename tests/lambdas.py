"""AWS Lambda on this machine: its own runtime client in a read-only root, and a Runtime API.

The API is docs.aws.amazon.com's "Using the Lambda runtime API for custom runtimes": the client asks
for the next event, and posts what the handler made of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from time import perf_counter, time
from typing import Any, NamedTuple

_PREFIX = "/2018-06-01/runtime/"
MEMORY_MB = 256

# Makes every mount read-only that can be, proves it, and becomes the runtime client. ulimit -d
# bounds what the process may allocate; its files are mapped, which Lambda counts as well, so the
# test also looks at the whole.
_READ_ONLY = """
mount --make-rprivate /
cut -d ' ' -f 2 /proc/self/mounts | while read place; do
  mount -o remount,bind,ro "$place" 2>/dev/null || true
done
for place in / /tmp "$LAMBDA_TASK_ROOT"; do
  if touch "$place/written" 2>/dev/null; then echo "$place can be written" >&2; exit 99; fi
done
ulimit -d {kilobytes}
cd "$LAMBDA_TASK_ROOT"
exec "$@"
"""


class Outcome(NamedTuple):
    """What the client posted for one event: kind is "response" or "error"."""

    kind: str
    value: Any


@dataclass
class RuntimeApi:
    """The API's state: events that wait, what came back, and when the client first asked."""

    events: queue.Queue[tuple[str, bytes]] = field(default_factory=queue.Queue)
    outcomes: queue.Queue[Outcome] = field(default_factory=queue.Queue)
    ready: threading.Event = field(default_factory=threading.Event)
    asked: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The client is killed while it waits for its next event, which is no error."""


@contextlib.contextmanager
def runtime_api() -> Iterator[tuple[str, RuntimeApi]]:
    """A Runtime API on a loopback port: (host:port, its state)."""
    state = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{_PREFIX}invocation/next"
            state.asked = state.asked or perf_counter()
            state.ready.set()
            request_id, event = state.events.get()
            self._send(
                200,
                event,
                {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int(1000 * (time() + 30))),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:0:function:own",
                    "Content-Type": "application/json",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.path.rpartition("/")[2]
            state.outcomes.put(Outcome(kind, json.loads(body)))
            if "init" in self.path:
                state.ready.set()
            self._send(202, b"", {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            # The client that was stopped is not there to read its last event.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", state
    finally:
        state.events.put(("stop", b"{}"))
        server.shutdown()
        server.server_close()


@dataclass
class Function:
    """A function that runs. began: when its process was started."""

    process: subprocess.Popen[str]
    api: RuntimeApi
    began: float
    log: Path

    def invoke(self, event: Any, request_id: str = "id-1") -> Outcome:
        """One event, and what came of it."""
        self.api.events.put((request_id, json.dumps(event).encode()))
        return self.api.outcomes.get(timeout=60)

    def peak_bytes(self) -> int:
        """The most memory that it had resident, mapped files included."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def cpu_ms(self) -> float:
        """CPU time so far, of all threads, in steps of ten milliseconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The lines of its log with that message."""
        lines = [json.loads(x) for x in self.log.read_text().splitlines() if x.startswith("{")]
        return [line for line in lines if line.get("message") == message]


def unpack(packed: Path, root: Path) -> None:
    """What Lambda makes of a layer and a function: opt/ and var/task/; and its client's folder."""
    for name, place in {"layer.zip": "opt", "function.zip": "var/task"}.items():
        with zipfile.ZipFile(packed / name) as archive:
            archive.extractall(root / place)
    client = root / "var" / "runtime"
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        for file in distribution(name).files or ():
            if ".." not in file.parts and Path(str(file.locate())).is_file():
                (client / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), client / file)


def missing() -> str | None:
    """What this machine lacks for a read-only root; None where it has all of it."""
    if not sys.platform.startswith("linux"):
        return "Lambda's runtime client is Linux's"
    command = [*_namespace(), "true"]
    if shutil.which("unshare") is None or subprocess.run(command, check=False).returncode:
        return "unshare is missing or not allowed: there is no root that can be made read-only"
    return None


def _namespace() -> list[str]:
    """Mounts of its own; where this is not root, as root of a user namespace."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


@contextlib.contextmanager
def function(root: Path, log: Path, **variables: str) -> Iterator[Function]:
    """A function that was unpacked, in a root without a place to write, without HOME."""
    with runtime_api() as (address, api), log.open("w") as output:
        environment = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            "LAMBDA_TASK_ROOT": str(root / "var" / "task"),
            "PYTHONPATH": f"{root / 'opt' / 'python'}:{root / 'var' / 'runtime'}",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            **variables,
        }
        script = _READ_ONLY.format(kilobytes=MEMORY_MB * 1024)
        python = getattr(sys, "_base_executable", sys.executable)
        client = [python, "-S", "-m", "awslambdaric", "edgembed.serverless.aws.handler"]
        began = perf_counter()
        process = subprocess.Popen(
            [*_namespace(), "sh", "-ec", script, "sh", *client],
            env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            while not api.ready.wait(0.2):
                assert process.poll() is None, log.read_text()
            yield Function(process, api, began, log)
        finally:
            process.kill()
            process.wait()
