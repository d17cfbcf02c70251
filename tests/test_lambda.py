"""The Lambda package under AWS's own runtime client: read-only root, no HOME, 256 MB."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from edgembed import Embedder
from lambdas import MEMORY_MB, Function, function, missing, unpack
from support import python

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
MAIN = "import sys; from edgembed.cli import main; sys.exit(main())"
TEXTS = ["Кошка сидит на окне.", "The cat sits at the window.", "a", "emoji 😀 — «кавычки»"]


@pytest.fixture(scope="module")
def root(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lambda")
    done = python("-c", MAIN, "pack", bundles / "minilm", folder / "out", "--target", "lambda")
    assert done.returncode == 0, done.stderr.decode()
    unpack(folder / "out", folder / "root")
    return folder / "root"


@pytest.fixture(scope="module")
def running(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with function(root, tmp_path_factory.mktemp("log") / "log") as one:
        yield one


@pytest.fixture
def wanted(embedder: Callable[..., Embedder]) -> bytes:
    vectors: bytes = embedder("minilm", "int8").encode(TEXTS).tobytes()
    return vectors


def in_body(event: dict[str, Any], body: Any) -> dict[str, Any]:
    return {**event, "body": json.dumps(body)}


def in_base64(event: dict[str, Any], body: Any) -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    return {**event, "body": encoded, "isBase64Encoded": True}


URL = {
    "version": "2.0",
    "rawPath": "/v1/embeddings",
    "rawQueryString": "",
    "headers": {"content-type": "application/json", "host": "x.lambda-url.eu-north-1.on.aws"},
    "requestContext": {"http": {"method": "POST", "path": "/v1/embeddings"}, "stage": "$default"},
    "isBase64Encoded": False,
}
REST = {
    "resource": "/{proxy+}",
    "httpMethod": "POST",
    "path": "/v1/embeddings",
    "headers": {"Content-Type": "application/json"},
    "requestContext": {"stage": "prod", "path": "/prod/v1/embeddings"},
    "isBase64Encoded": False,
}


@pytest.mark.parametrize("event", [URL, REST], ids=["url", "rest"])
@pytest.mark.parametrize("carry", [in_body, in_base64])
def test_http_events_give_encodes_bits(
    running: Function,
    wanted: bytes,
    event: dict[str, Any],
    carry: Callable[[dict[str, Any], Any], dict[str, Any]],
) -> None:
    got = running.invoke(carry(event, {"input": TEXTS, "encoding_format": "base64"}))
    assert got.kind == "response", got.value
    assert got.value["statusCode"] == 200
    data = json.loads(got.value["body"])["data"]
    assert b"".join(base64.b64decode(item["embedding"]) for item in data) == wanted


def test_plain_events_give_encodes_bits(running: Function, wanted: bytes) -> None:
    openai = running.invoke({"input": TEXTS}).value
    vectors = [item["embedding"] for item in openai["data"]]
    assert np.array(vectors, np.float32).tobytes() == wanted
    tei = running.invoke({"inputs": TEXTS}).value
    assert np.array(tei, np.float32).tobytes() == wanted


def test_a_wrong_plain_event_is_an_error_of_the_invocation(running: Function) -> None:
    kind, value = running.invoke({"key1": "value1"})  # the console's test event
    assert (kind, value["errorType"]) == ("error", "ArgumentError")
    assert "/v1/embeddings" in value["errorMessage"]
    assert running.invoke({"input": "still there"}).kind == "response"


def test_the_request_id_is_lambdas(running: Function) -> None:
    got = running.invoke(in_body(URL, {"input": "a"}), "lambda-id").value
    assert got["headers"]["x-request-id"] == "lambda-id"
    assert running.logged("request")[-1]["request_id"] == "lambda-id"
    assert "Кошка" not in running.log.read_text()


def test_it_stays_within_its_memory(running: Function) -> None:
    most = "word " * 600  # cut at the model's 256 tokens
    assert running.invoke({"inputs": [most] * 32}).kind == "response"
    assert running.peak_bytes() < MEMORY_MB * 2**20


def test_a_cold_start(
    root: Path,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    starts = [cold_start(root, tmp_path / str(i)) for i in range(amount(1, 15))]
    middle = {name: median(start[name] for start in starts) for name in starts[0]}
    said = ", ".join(f"{name} {value:.0f}" for name, value in middle.items())
    print(said)
    figure(f"{said}; medians of {len(starts)} cold starts")


def cold_start(root: Path, log: Path) -> dict[str, float]:
    """What one consists of, in milliseconds, and its memory in MiB."""
    with function(root, log) as one:
        cpu = one.cpu_ms()
        for _ in range(2):
            assert one.invoke({"inputs": "The cat sits at the window."}).kind == "response"
        ready = 1000 * (one.api.asked - one.began)
        (loaded,) = one.logged("loaded")
        first, second = (line["total_ms"] for line in one.logged("request"))
        peak = one.peak_bytes() / 2**20
    assert loaded["dtype"] == "int8"
    assert loaded["workers"] == 1  # 256 MB are a seventh of a CPU
    took = {"import ms": loaded["import_ms"], "load ms": loaded["load_ms"]}
    assert 0 < sum(took.values()) < ready
    before = ready - sum(took.values())
    took = {"before ms": before, **took, "first call ms": first, "second ms": second}
    return {**took, "CPU ms to ready": cpu, "MiB": peak}


def test_a_function_without_its_bundle_says_so(root: Path, tmp_path: Path) -> None:
    with function(root, tmp_path / "log", MODEL_ID="/absent") as one:
        kind, value = one.api.outcomes.get(timeout=30)
    assert (kind, value["errorType"]) == ("error", "BundleNotFoundError")
    assert "/absent" in value["errorMessage"]
