"""A hub on loopback that plays the real one, for one model.

huggingface_hub reads HF_ENDPOINT when it is imported, so what talks to this hub runs in a process
of its own, with `environment`.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def environment(endpoint: str, home: Path) -> dict[str, str | None]:
    """What a process needs to talk to this hub and to no other; `home` is its cache."""
    return {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": None,
        "HF_TOKEN": None,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


@contextmanager
def serve(folder: Path, model: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a checkpoint as `model`: the hub's address, and what it has been asked for so far."""
    asked: list[str] = []
    handler = type("OwnHub", (Hub,), {"folder": folder, "model": model, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


class Hub(http.server.BaseHTTPRequestHandler):
    """Two calls of the real API: a model's facts, and a file at a commit."""

    folder: Path
    model: str
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        type(self).asked.append(f"{self.command} {path}")
        names = sorted(
            p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file()
        )
        api = f"/api/models/{self.model}"
        if path in (api, f"{api}/revision/main", f"{api}/revision/v1", f"{api}/revision/{COMMIT}"):
            facts = {
                "_id": "1",
                "id": self.model,
                "modelId": self.model,
                "sha": COMMIT,
                "private": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": name} for name in names],
            }
            return self.answer(200, json.dumps(facts).encode(), "application/json")
        prefix = f"/{self.model}/resolve/{COMMIT}/"
        name = path.removeprefix(prefix)
        if path.startswith(prefix) and name in names:
            return self.answer(200, (self.folder / name).read_bytes(), "application/octet-stream")
        self.answer(404, b"{}", "application/json", {"X-Error-Code": "RepoNotFound"})
        return None

    def answer(self, code: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
            **(more or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
