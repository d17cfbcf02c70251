"""Clients of OpenAI and of TEI, each in its own environment, talk to a real `edgembed serve`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from setup_clients import HERE, SERVER_CLIENTS

from edgembed import Embedder
from serving import Server, serve
from snippets import snippets

TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "a", "emoji 😀 — «кавычки»"] * 5
KEY = "the-key"
ADDRESS = "http://127.0.0.1:3000"  # what docs/serve.md has


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, bundles: Path) -> Iterator[Server]:
    python = request.config.getoption("server_python")
    with serve(bundles / "tiny-frida", python=python, API_KEY=KEY) as running:
        yield running


@pytest.mark.parametrize("name", SERVER_CLIENTS)
def test_vectors_are_encodes_bits(
    name: str, server: Server, bundles: Path, run: Callable[..., None], tmp_path: Path
) -> None:
    texts, answers = tmp_path / "texts.json", tmp_path / "answers.json"
    texts.write_text(json.dumps(TEXTS), encoding="utf-8")
    run(name, HERE / "clients" / SERVER_CLIENTS[name].script, server.url, KEY, texts, answers)
    got = json.loads(answers.read_text("utf-8"))
    expected = Embedder(bundles / "tiny-frida").encode(TEXTS)
    assert np.array(got["documents"], np.float32).tobytes() == expected.tobytes()
    assert np.array(got["query"], np.float32).tobytes() == expected[:1].tobytes()


@pytest.fixture(scope="module")
def open_server(request: pytest.FixtureRequest, bundles: Path) -> Iterator[Server]:
    with serve(bundles / "minilm", python=request.config.getoption("server_python")) as running:
        yield running


@pytest.mark.parametrize("name", SERVER_CLIENTS)
def test_the_pages_snippet(
    name: str, open_server: Server, run: Callable[..., None], tmp_path: Path
) -> None:
    marked = name.replace("-", "_")
    (code,) = [code for language, code in snippets("docs/serve.md") if language == marked]
    assert ADDRESS in code
    script = tmp_path / "snippet.py"
    script.write_text(code.replace(ADDRESS, open_server.url), encoding="utf-8")
    run(name, script)
