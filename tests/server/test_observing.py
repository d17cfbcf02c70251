"""Metrics and logs: TEI's names, right figures, and never a text or a key."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgembed.server import log
from serving import MAIN, Server, talk

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

PARTS = ("tokenization", "queue", "inference")


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
    for whose in ("te_request", "te_embed"):  # each part of the time is there, and only once
        parts = [found[f"{whose}_{part}_duration_sum", ""] for part in PARTS]
        assert min(parts) > 0
        assert sum(parts) <= found[f"{whose}_duration_sum", ""] * 1.001


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
    canary = CANARY.encode()
    talk(server, b"GET /%b HTTP/1.1\r\n%b\r\n\r\n" % (canary, canary))  # no HTTP
    talk(server, b"POST /embed HTTP/1.1\r\nhost: %b\r\nhost: x\r\n\r\n%b" % (canary, canary))


# Everything logs all that it has to say.
VERBOSE = """
import logging
from edgembed.server import log
configure = log.configure
def verbose(as_json):
    configure(as_json)
    logging.getLogger().setLevel(1)
    log.logger.setLevel(1)
log.configure = verbose
"""
# What no one foresaw goes wrong, with a text in its words: in a worker, in a thread, in the shell.
BROKEN = """
import threading
from edgembed.server.metrics import Metrics
from edgembed.tokenize import Tokenizer
encode, observe = Tokenizer.encode, Metrics.observe
def fail(text):
    raise KeyError(text)
def broken_encode(self, text):
    if "in a text" in text:
        fail(text)
    if "in a list" in text:
        threading.Thread(target=fail, args=[text]).start()
    return encode(self, text)
def broken_observe(self, record, embeds):
    observe(self, record, embeds)
    if record.route == "/tokenize":
        fail("zanzibar in a request")
Tokenizer.encode, Metrics.observe = broken_encode, broken_observe
"""


@pytest.mark.parametrize("flags", [[], ["--json-output"]])
@pytest.mark.parametrize("more", ["", VERBOSE, VERBOSE + BROKEN], ids=["", "verbose", "broken"])
def test_no_text_and_no_key_is_told(
    start: Callable[..., Any],
    frida: Path,
    flags: list[str],
    more: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    debug = {"PYTHONASYNCIODEBUG": "1"} if more else {}
    with start(frida, *flags, main=more + MAIN, API_KEY=f"{CANARY}-key", **debug) as server:
        ask_with_canaries(server)
        metrics = server.get("/metrics").body.decode()
        server.stop()
        told = "".join(server.lines)
    assert told.count("route=/embed" if not flags else '"route": "/embed"') > 5
    assert CANARY not in told.lower()
    assert CANARY not in metrics.lower()
    assert CANARY not in "".join(capfd.readouterr()).lower()  # its stdout is ours
    if "fail" in more:
        for where in ("internal error", "a thread has ended", "Exception in ASGI application"):
            assert where in told
        assert "KeyError" in told


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


class Counting(io.StringIO):
    """A stream that counts its writes."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def gathered() -> Iterator[tuple[logging.Logger, Counting]]:
    stream, own = Counting(), logging.getLogger("tests.gathered")
    own.setLevel(logging.INFO)
    own.propagate = False
    own.addHandler(log.Gathered(stream))
    yield own, stream
    own.handlers.clear()


def test_lines_of_one_turn_are_one_write(gathered: tuple[logging.Logger, Counting]) -> None:
    own, stream = gathered

    async def work() -> None:
        for number in range(3):
            own.info("line %d", number)
        await asyncio.sleep(0)

    asyncio.run(work())
    assert (stream.getvalue(), stream.writes) == ("line 0\nline 1\nline 2\n", 1)


def test_no_line_is_lost_or_out_of_order(gathered: tuple[logging.Logger, Counting]) -> None:
    own, stream = gathered

    async def work() -> None:
        own.info("in the loop")
        await asyncio.to_thread(own.info, "in a thread")
        own.info("before the end")
        asyncio.get_running_loop().stop()

    own.info("at once")
    with contextlib.suppress(RuntimeError):  # the loop was stopped before its work was done
        asyncio.run(work())
    own.handlers[0].flush()  # as logging does when Python ends
    lines = ["at once", "in the loop", "in a thread", "before the end"]
    assert stream.getvalue().splitlines() == lines


def test_a_log_that_nobody_reads_any_more(gathered: tuple[logging.Logger, Counting]) -> None:
    own, stream = gathered
    stream.close()
    own.info("to nobody")
    asyncio.run(asyncio.sleep(0))
