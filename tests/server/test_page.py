"""The snippets of docs/serve.md against a real server; other libraries' own in tests/interop."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from serving import Server
from snippets import snippets

PAGE = "docs/serve.md"
ADDRESS = "http://127.0.0.1:3000"
SNIPPETS = [own for own in snippets(PAGE) if own[0].startswith("serve_")]


def test_snippets_are_found() -> None:
    assert [language for language, _ in SNIPPETS] == ["serve_sh", "serve_python", "serve_python"]


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_snippet(language: str, code: str, server: Server) -> None:
    assert ADDRESS in code
    command = ["sh", "-exc"] if language == "serve_sh" else [sys.executable, "-W", "error", "-c"]
    done = subprocess.run(
        [*command, code.replace(ADDRESS, server.url)],
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
