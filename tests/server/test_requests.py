"""Heads and bodies at the edge of what is taken, by the service alone: as a serverless caller's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgembed.service.http import Response
from edgembed.service.model import Model
from edgembed.service.service import Service
from edgembed.service.settings import Settings
from edgembed.service.workers import Workers
from support import change_json

LONG = "слово " * 500


@pytest.fixture(scope="module")
def service(frida: Path) -> Iterator[Service]:
    own = Service(Model.load(frida, None, Settings()), workers=1)
    yield own
    own.close()


def ask(service: Service, path: str, body: object, **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.handle("POST", path, names, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "Application/JSON"}, 200),
        ({"content_type": "application/vnd.api+json"}, 200),
        ({"content_type": "text/plain"}, 415),
        ({"content_encoding": ""}, 200),
        ({"content_encoding": " Identity "}, 200),
        ({"content_encoding": "gzip"}, 415),
        ({"content_length": "9" * 5000}, 200),  # no carrier's: the body itself is measured
        ({"content_length": "9" * 12}, 413),
        ({"content_length": "-1"}, 200),
    ],
)
def test_headers_of_a_body(service: Service, headers: dict[str, str], status: int) -> None:
    assert ask(service, "/embed", {"inputs": "a"}, **headers).status == status


@pytest.mark.parametrize("given", ["a", "A-1_b.c:d", "x" * 128])
def test_a_request_keeps_its_name(service: Service, given: str) -> None:
    assert ask(service, "/embed", {}, x_request_id=given).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\n", "é", "а", "<b>"])
def test_a_name_that_is_none_is_not_given_back(service: Service, given: str) -> None:
    found = ask(service, "/embed", {}, x_request_id=given).headers["x-request-id"]
    assert len(found) == 32
    assert int(found, 16) >= 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer one", 200),
        ("BEARER two", 200),
        ("two", 200),
        ("Bearer three", 401),
        ("Basic one", 401),
        ("Bearer ", 401),
        ("", 401),
        ("Bearer \ud800", 401),  # JSON events can spell it
    ],
)
def test_any_one_of_the_keys(frida: Path, header: str, status: int) -> None:
    model = Model.load(frida, None, Settings(api_keys=("one", "two")))
    service = Service(model, workers=1)
    assert ask(service, "/embed", {"inputs": "a"}, authorization=header).status == status
    service.close()


@pytest.mark.parametrize("path", ["/health", "/info", "/v1/models", "/"])
def test_a_head_request_is_a_get(service: Service, path: str) -> None:
    assert service.handle("HEAD", path, {}, b"").status == 200


@pytest.mark.parametrize(
    ("path", "field", "bad"), [("/embed", "inputs", 422), ("/v1/embeddings", "input", 400)]
)
def test_dimensions_that_are_whole(service: Service, path: str, field: str, bad: int) -> None:
    def status(dimensions: Any) -> int:
        return ask(service, path, {field: "a", "dimensions": dimensions}).status

    whole = service.model.manifest.dimension
    assert [status(n) for n in (1, 8.0, whole, None)] == [200] * 4
    assert [status(n) for n in (0, 8.5, whole + 1, -1, 1e300)] == [bad] * 5


@pytest.mark.parametrize(
    "inputs",
    [
        {"source_sentence": "", "sentences": ["a"]},
        {"source_sentence": "a", "sentences": ["b", ""]},
        {"source_sentence": "a", "sentences": []},
    ],
)
def test_similarity_needs_texts(service: Service, inputs: dict[str, object]) -> None:
    response = ask(service, "/similarity", {"inputs": inputs})
    assert response.status == 400
    assert json.loads(response.body)["error_type"] == "Empty"


@pytest.mark.parametrize("direction", ["Left", "left"])
@pytest.mark.parametrize("path", ["/embed", "/embed_all", "/similarity"])
def test_a_text_is_not_cut_at_its_beginning(service: Service, path: str, direction: str) -> None:
    """Cutting the end instead would be another vector than was asked for."""

    def status(text: str) -> int:
        options = {"truncate": True, "truncation_direction": direction}
        body: dict[str, object] = {"inputs": text, **options}
        if path == "/similarity":
            sides = {"source_sentence": "a", "sentences": [text]}
            body = {"inputs": sides, "parameters": options}
        return ask(service, path, body).status

    assert status(LONG) == 422
    assert status("short") == 200


def test_no_prompt_in_a_vector_that_is_not_normalised(bundle_copy: Path) -> None:
    """Where the pooling leaves the prompt's tokens out, it does so with normalize=false too."""
    change_json(bundle_copy / "manifest.json", include_prompt=False)
    service = Service(Model.load(bundle_copy, "float32", Settings(), "off"), workers=1)
    own, plain = (
        np.array(json.loads(ask(service, "/embed", body).body)[0], np.float32)
        for body in ({"inputs": "a cat", "normalize": on} for on in (True, False))
    )
    service.close()
    assert np.linalg.norm(plain) != pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(plain / np.linalg.norm(plain), own, atol=1e-6)


def test_as_many_tokens_as_one_text_has(frida: Path) -> None:
    longest = Model.load(frida, None, Settings()).manifest.max_seq_length
    model = Model.load(frida, None, Settings(max_batch_tokens=longest))
    assert model.settings.max_batch_tokens == longest


def test_a_worker_outlives_a_batch_that_is_given_up_in_its_last_text() -> None:
    begun, gate = threading.Event(), threading.Event()

    def run(text: str) -> str:
        begun.set()
        gate.wait(10)
        return text

    workers = Workers(1)
    batch = workers.submit(run, ["last"])
    begun.wait(10)
    workers.cancel(batch, KeyError("enough"))
    workers.cancel(batch, KeyError("again"))
    gate.set()
    assert workers.submit(run, ["next"]).future.result(10) == ["next"]
    assert workers.are_alive()
    with pytest.raises(KeyError, match="enough"):
        batch.future.result(0)
    workers.close()
