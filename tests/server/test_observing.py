"""Metrics and logs: TEI's names, right figures, and never a text or a key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import Server

CANARY = "zanzibar"  # in a text, a key, a prompt, a path, a query, a header: never in a log
NAMES = {
    "te_request_count",
    "te_request_success",
    "te_request_failure",
    "te_request_duration",
    "te_request_tokenization_duration",
    "te_request_queue_duration",
    "te_request_inference_duration",
    "te_request_input_length",
    "te_embed_count",
    "te_embed_success",
    "te_embed_duration",
    "te_embed_tokenization_duration",
    "te_embed_queue_duration",
    "te_embed_inference_duration",
    "te_queue_size",
}


def samples(server: Server) -> dict[tuple[str, str], float]:
    """Every sample by its name and its one label."""
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_metrics(start: Callable[..., Any], frida: Path) -> None:
    with start(frida) as server:
        names = {
            f.name for f in text_string_to_metric_families(server.get("/metrics").body.decode())
        }
        assert names >= NAMES
        server.post("/embed", {"inputs": "a"})
        server.post("/v1/embeddings", {"input": ["a", "b", "слово " * 200]})
        server.post("/tokenize", {"inputs": ["a", "b"]})
        server.post("/embed", {"inputs": []})
        server.post("/embed", {"inputs": ["a"] * 40})
        server.post("/nowhere", {})
        found = samples(server)
    assert found["te_request_count", "single"] == 1
    assert found["te_request_count", "batch"] == 2
    assert found["te_request_success", "batch"] == 2
    assert found["te_request_failure", "validation"] == 1
    assert found["te_request_failure", "batch_size"] == 1
    assert found["te_request_failure", "not_found"] == 1
    assert found["te_embed_count", ""] == found["te_embed_success", ""] == 4
    assert found["te_request_truncated", ""] == 1
    assert found["te_request_duration_count", ""] == 3
    assert found["te_embed_duration_count", ""] == found["te_request_input_length_count", ""] == 4
    assert found["te_queue_size", ""] == 0


def ask_with_canaries(server: Server) -> None:
    key = f"Bearer {CANARY}-key"
    for path, field in (("/v1/embeddings", "input"), ("/embed", "inputs"), ("/tokenize", "inputs")):
        for body in (
            {field: f"{CANARY} in a text"},
            {field: [f"{CANARY} in a list", CANARY * 1000]},
            {field: "a", "prompt": f"{CANARY}: "},
            {field: "a", "prompt_name": CANARY},
            {field: "a", "prompt_name": "query", "prompt": CANARY},
            {field: "a", "user": CANARY, CANARY: CANARY},
            {field: {CANARY: CANARY}},
            {field: "a", "dimensions": CANARY},
        ):
            server.post(path, body, authorization=key)
        server.post(path, f'{{"{field}": "{CANARY}'.encode(), authorization=key)
        server.post(path, {field: CANARY}, authorization=f"Bearer {CANARY}-wrong")
        server.post(f"{path}?q={CANARY}", {field: "a"}, authorization=key)
    server.get(f"/{CANARY}")
    server.ask(CANARY.upper(), "/embed")
    server.get("/health", x_canary=CANARY, user_agent=CANARY, content_type=CANARY)
    server.get("/health", x_request_id=f"{CANARY} with a blank")


@pytest.mark.parametrize("flags", [[], ["--json-output"]])
def test_no_text_and_no_key_is_told(
    start: Callable[..., Any], frida: Path, flags: list[str]
) -> None:
    with start(frida, *flags, API_KEY=f"{CANARY}-key") as server:
        ask_with_canaries(server)
        metrics = server.get("/metrics").body.decode()
        server.stop()
        told = "".join(server.lines)
    assert told.count("route=/embed" if not flags else '"route": "/embed"') > 5
    assert CANARY not in told.lower()
    assert CANARY not in metrics.lower()


def test_json_lines(start: Callable[..., Any], frida: Path) -> None:
    with start(frida, JSON_OUTPUT="true") as server:
        answer = server.post("/embed", {"inputs": ["a", "слово " * 200]}, x_request_id="mine")
        server.get("/nowhere")
        server.stop()
        lines = [json.loads(line) for line in server.lines]
    assert all({"timestamp", "level", "target", "message"} <= set(line) for line in lines)
    first, *requests, last = lines
    assert (first["message"], last["message"]) == ("listening", "stopped")
    assert first["url"] == server.url
    embed, nowhere = requests
    assert embed["request_id"] == "mine"
    assert (embed["method"], embed["route"], embed["status"]) == ("POST", "/embed", 200)
    assert (embed["texts"], embed["truncated"]) == (2, 1)
    assert embed["tokens"] == int(answer.headers["x-compute-tokens"])
    assert embed["total_ms"] >= embed["inference_ms"] > 0
    assert (nowhere["route"], nowhere["status"], nowhere["error"]) == ("unknown", 404, "not_found")


def test_lines_for_people(server: Server) -> None:
    server.post("/embed", {"inputs": "a"}, x_request_id="for-people")
    (line,) = server.logged("for-people")
    assert re.match(r"\S+ INFO +request method=POST route=/embed status=200 texts=1 ", line)
