"""The service without any server: fair workers, errors of the model, and what a handler calls."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import ArgumentError, Embedder, InferenceError
from edgembed.engine import Embedding
from edgembed.service.model import Model
from edgembed.service.service import Service
from edgembed.service.settings import Settings
from edgembed.service.tasks import Piece, Task
from edgembed.service.workers import CancelledError, Workers
from support import python

TEXTS = ["Кошка сидит на окне.", "The cat sits at the window."]


@pytest.fixture(scope="module")
def service(frida: Path) -> Iterator[Service]:
    own = Service(Model.load(frida, None, Settings()), workers=2)
    yield own
    own.close()


def test_a_whole_request_in_one_call(service: Service, embedder: Callable[..., Embedder]) -> None:
    body = json.dumps({"inputs": TEXTS}).encode()
    response = service.handle("POST", "/embed", {"content-type": "application/json"}, body)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    got = np.array(json.loads(response.body), np.float32)
    assert got.tobytes() == embedder("tiny-frida", "int8").encode(TEXTS).tobytes()
    assert service.handle("GET", "/health", {}, b"").status == 200
    assert service.handle("POST", "/embed", {}, b"{").status == 400


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"inputs": "a"}', b'{"inputs": [""] * 99}'])
@pytest.mark.parametrize("path", ["/embed", "/v1/embeddings", "/nowhere"])
def test_a_request_leaves_nothing_to_the_garbage_collector(
    service: Service, path: str, body: bytes
) -> None:
    """It stops the event loop for 35 ms: too long for all who are refused meanwhile."""
    service.handle("POST", path, {}, body)
    gc.collect()
    gc.disable()
    try:
        service.handle("POST", path, {}, body)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_importing_it_brings_no_server() -> None:
    script = (
        "import sys, edgembed.service.service; "
        "print({'starlette', 'uvicorn', 'prometheus_client', 'asyncio'} & set(sys.modules))"
    )
    assert python("-c", script).stdout.strip() == b"set()"


def test_a_defect_of_the_model_is_named_and_no_vector(
    frida: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.load(frida, None, Settings())
    service = Service(model, workers=1)

    def broken(*_: object) -> None:
        raise InferenceError("the model gave NaN")

    monkeypatch.setattr(model.engine, "embed_tokens", broken)
    response = service.handle("POST", "/embed", {}, b'{"inputs": "a"}')
    assert response.status == 424
    assert json.loads(response.body) == {"error": "the model gave NaN", "error_type": "Backend"}
    assert response.record.error == "inference"
    monkeypatch.undo()
    assert service.handle("POST", "/embed", {}, b'{"inputs": "a"}').status == 200
    service.close()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/embed", {"inputs": TEXTS}),
        ("/embed", {"inputs": TEXTS, "normalize": False}),
        ("/embed", {"inputs": TEXTS, "dimensions": 8}),
        ("/embed_all", {"inputs": TEXTS}),
        ("/similarity", {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS}}),
        ("/playground/compare", {"texts": TEXTS}),
        ("/v1/embeddings", {"input": TEXTS}),
        ("/v1/embeddings", {"input": TEXTS, "encoding_format": "base64"}),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_no_number_is_not_sent(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    request_: dict[str, object],
    wrong: float,
) -> None:
    """Whatever the engine may let pass."""
    tokens = np.ones((3, service.model.manifest.dimension), np.float32)
    tokens[1, 1] = wrong
    spoilt = Embedding(np.arange(3), False, tokens, tokens[1])
    monkeypatch.setattr(service.model.engine, "embed_tokens", lambda *_: spoilt)
    response = service.handle("POST", path, {}, json.dumps(request_).encode())
    assert response.status == 424
    assert response.record.error == "inference"
    assert b"NaN or infinity" in response.body


@pytest.mark.parametrize("where", ["check_ready", "submit"])
def test_a_defect_is_answered_and_kept_for_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a text")

    monkeypatch.setattr(service, where, broken)
    exchange = service.open("POST", "/embed", {})
    exchange.begin(b'{"inputs": "a"}')
    response = exchange.response()
    exchange.close()
    assert response.status == 500
    assert json.loads(response.body)["error_type"] == "Backend"
    assert b"a text" not in response.body
    assert isinstance(response.defect, KeyError)


def test_a_pause_of_the_process_refuses_nobody(frida: Path) -> None:
    service = Service(Model.load(frida, None, Settings()), workers=1)
    task = Task(["a"], lambda _: Piece(b"", 1, False), lambda _: b"")
    batch = service.submit(task)
    batch.future.result(10)
    batch.run_seconds = [3600.0]  # the machine slept
    service.done(batch, task)
    gate = threading.Event()
    many = Task(["a"] * 64, lambda _: Piece(gate.wait(10), 1, False), lambda _: b"")
    waiting = service.submit(many)
    after = service.submit(task)  # behind a queue of a few milliseconds
    gate.set()
    for own, what in ((waiting, many), (after, task)):
        own.future.result(10)
        service.done(own, what)
    service.close()


def test_draining(frida: Path) -> None:
    service = Service(Model.load(frida, None, Settings()), workers=1)
    service.drain()
    for path in ("/embed", "/v1/embeddings"):
        response = service.handle("POST", path, {}, b'{"inputs": "a", "input": "a"}')
        assert response.status == 503
        assert response.headers["retry-after"] == "1"
    assert service.handle("GET", "/health", {}, b"").status == 503
    service.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_concurrent_requests": 0},
        {"max_client_batch_size": -1},
        {"payload_limit": 0},
        {"max_queue_time": float("nan")},
        {"api_keys": ("",)},
        {"api_keys": ("a ",)},
        {"api_keys": ("ключ",)},
        {"default_prompt": "a", "default_prompt_name": "query"},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="API key" if "api_keys" in wrong else min(wrong)):
        Settings(**wrong)  # type: ignore[arg-type]


def test_settings_that_do_not_fit_the_bundle(frida: Path) -> None:
    with pytest.raises(ArgumentError, match="max_batch_tokens 5 "):
        Model.load(frida, None, Settings(max_batch_tokens=5))
    with pytest.raises(ArgumentError, match="nobody"):
        Model.load(frida, None, Settings(default_prompt_name="nobody"))


def test_default_prompts(frida: Path, embedder: Callable[..., Embedder]) -> None:
    model = embedder("tiny-frida", "int8")
    for settings, arguments in (
        (Settings(default_prompt_name="search_query"), {"prompt_name": "search_query"}),
        (Settings(default_prompt="so: "), {"prompt": "so: "}),
        (Settings(default_prompt=""), {"prompt": ""}),
    ):
        service = Service(Model.load(frida, None, settings), workers=1)
        response = service.handle("POST", "/embed", {}, json.dumps({"inputs": TEXTS}).encode())
        got = np.array(json.loads(response.body), np.float32)
        assert got.tobytes() == model.encode(TEXTS, **arguments).tobytes()
        service.close()


# --- workers


def test_small_batches_do_not_wait_for_large_ones() -> None:
    ran: list[str] = []
    gate = threading.Semaphore(0)

    def run(text: str) -> str:
        gate.acquire()
        ran.append(text)
        return text

    workers = Workers(1)
    large = workers.submit(run, [f"large {n}" for n in range(100)])
    while large.waiting == 100:  # the worker has begun it
        pass
    small = [workers.submit(run, [f"small {n}"]) for n in range(3)]
    two = workers.submit(run, ["two 0", "two 1"])
    assert workers.ahead_of(1) == 5  # one turn of each of the five
    assert workers.ahead_of(1000) == 99 + 3 + 2
    assert workers.waiting() == 99 + 3 + 2
    gate.release(1000)
    assert [batch.future.result(10) for batch in small] == [["small 0"], ["small 1"], ["small 2"]]
    two.future.result(10)
    large.future.result(10)
    assert ran[:9] == ["large 0", "large 1", "small 0", "small 1", "small 2", "two 0", "large 2",
                       "two 1", "large 3"]  # fmt: skip
    workers.close()


@given(sizes=st.lists(st.integers(1, 20), max_size=12), count=st.integers(1, 4))
def test_every_batch_gets_its_own_results_in_order(sizes: list[int], count: int) -> None:
    workers = Workers(count)
    wanted = [[f"A{batch}-{n}" for n in range(size)] for batch, size in enumerate(sizes)]
    batches = [workers.submit(str.upper, texts) for texts in wanted]
    assert [batch.future.result(10) for batch in batches] == wanted
    workers.close()


def test_an_error_ends_its_own_batch_only() -> None:
    def run(text: str) -> str:
        if text == "bad":
            raise ValueError(text)
        return text

    workers = Workers(2)
    bad = workers.submit(run, ["a", "bad", *"b" * 100])
    good = workers.submit(run, ["a", "b"])
    assert good.future.result(10) == ["a", "b"]
    with pytest.raises(ValueError, match="bad"):
        bad.future.result(10)
    while workers.waiting():
        pass
    assert workers.are_alive()
    workers.close()


def test_a_batch_that_is_given_up_is_not_run() -> None:
    ran: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def run(text: str) -> None:
        begun.set()
        gate.wait(10)
        ran.append(text)

    workers = Workers(1)
    batch = workers.submit(run, list("abc"))
    begun.wait(10)
    workers.cancel(batch, KeyError("enough"))
    with pytest.raises(KeyError):
        batch.future.result(0)
    gate.set()
    workers.close()
    assert ran == ["a"]  # what had begun went to its end
    with pytest.raises(CancelledError):
        workers.submit(run, ["d"])
    assert not workers.are_alive()


def test_a_worker_makes_room() -> None:
    workers = Workers(2)

    def run(_: str) -> str:
        workers.make_room(1.0)
        time.sleep(0.001)
        return threading.current_thread().name

    try:
        ran = Counter(workers.submit(run, ["x"] * 50).future.result(timeout=20))
    finally:
        workers.close()
    # The one rests for a tenth of a second after each text.
    assert ran["edgembed-0"] > 5 * ran["edgembed-1"]


def test_an_only_worker_makes_no_room() -> None:
    workers = Workers(1)
    try:
        workers.make_room(1.0)
        assert workers.submit(len, ["x"] * 50).future.result(timeout=20) == [1] * 50
    finally:
        workers.close()
