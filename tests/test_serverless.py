"""Events to answers: every kind of caller's, right and wrong; the real client is test_lambda's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgembed import ArgumentError, Embedder
from edgembed.serverless.events import (
    bounded,
    http_answer,
    http_request,
    plain_answer,
    plain_request,
)
from edgembed.service.model import Model
from edgembed.service.service import Service
from edgembed.service.settings import Settings
from edgembed.threads import available_threads
from support import change_json, python

JSON = {"content-type": "application/json"}


def url(method: str, path: str, value: Any = None, **more: Any) -> dict[str, Any]:
    """An event of a Function URL; of an HTTP API with stage=."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    stage = more.pop("stage", "$default")
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": JSON,
        "requestContext": {"http": http, "stage": stage},
        "isBase64Encoded": False,
    }
    return {**event, **({} if value is None else {"body": json.dumps(value)}), **more}


def rest(method: str, path: str, value: Any = None, **more: Any) -> dict[str, Any]:
    """An event of a REST API, whose absent parts are null."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": None,
        "queryStringParameters": None,
        "requestContext": {"resourcePath": "/{proxy+}", "stage": "prod", "path": f"/prod{path}"},
        "body": None if value is None else json.dumps(value),
        "isBase64Encoded": False,
        **more,
    }


@pytest.fixture(scope="module")
def service(bundles: Path) -> Iterator[Service]:
    own = Service(Model.load(bundles / "tiny-frida", "int8", Settings()), 1)
    yield own
    own.close()


def ask(service: Service, event: dict[str, Any]) -> dict[str, Any]:
    request = http_request(event)
    assert request is not None
    return http_answer(bounded(request, service.handle(*request)))


@pytest.mark.parametrize("make", [url, rest])
def test_every_route_is_there(service: Service, make: Any) -> None:
    asked = {
        "/v1/embeddings": {"input": "a"},
        "/embed": {"inputs": "a"},
        "/": {"inputs": "a"},
        "/embed_all": {"inputs": "a"},
        "/tokenize": {"inputs": "a"},
        "/similarity": {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
    }
    for path, body in asked.items():
        answer = ask(service, make("POST", path, body))
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        assert json.loads(answer["body"])
        assert answer["headers"]["content-type"] == "application/json"
    for path in ("/info", "/v1/models", "/health"):
        assert ask(service, make("GET", path))["statusCode"] == 200
    assert ask(service, make("GET", "/health"))["body"] == ""


@pytest.mark.parametrize("make", [url, rest])
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/embeddings", {"input": ""}, 400),
        ("POST", "/embed", {"inputs": 1}, 422),
        ("POST", "/absent", {}, 404),
        ("DELETE", "/embed", None, 405),
        ("POST", "/embed", None, 400),
        ("POST", "/embed", {"inputs": "\ud800"}, 400),
    ],
)
def test_refusals_are_the_services(
    service: Service, make: Any, method: str, path: str, body: Any, status: int
) -> None:
    answer = ask(service, make(method, path, body))
    assert answer["statusCode"] == status
    assert json.loads(answer["body"])["error"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embed"])
@pytest.mark.parametrize(
    "broken",
    [
        {"body": "no base64!", "isBase64Encoded": True},
        {"body": "жж", "isBase64Encoded": True},
        {
            "body": base64.b64encode(b'{"input": "\xff", "inputs": "\xff"}').decode(),
            "isBase64Encoded": True,
        },
        {"body": '{"input": "\ud800"}'},
        {"body": "{"},
    ],
)
def test_a_body_that_is_none(service: Service, path: str, broken: dict[str, Any]) -> None:
    answer = ask(service, url("POST", path, **broken))
    assert answer["statusCode"] == 400
    assert "JSON" in answer["body"]


@pytest.mark.parametrize(
    ("raw", "stage", "path"),
    [
        ("/embed", "$default", "/embed"),
        ("/prod/embed", "prod", "/embed"),
        ("/prod", "prod", "/"),
        ("/prod/", "prod", "/"),
        ("/production/embed", "prod", "/production/embed"),
        ("/embed", "prod", "/embed"),  # a custom domain hides the stage
        ("/v1/v1/embeddings", "v1", "/v1/embeddings"),
    ],
)
def test_the_stage_is_no_part_of_the_path(raw: str, stage: str, path: str) -> None:
    request = http_request(url("POST", raw, stage=stage))
    assert request is not None
    assert request.path == path


def test_an_http_api_with_payload_format_1(service: Service) -> None:
    event = {**rest("POST", "/embed", {"inputs": "a"}), "version": "1.0"}
    assert ask(service, event)["statusCode"] == 200


def test_an_answer_larger_than_lambda_sends(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(service, url("POST", "/v1/embeddings", {"input": ["a"] * 500}))
    assert whole["statusCode"] == 200
    most = len(json.dumps(whole)) - 1
    monkeypatch.setattr("edgembed.serverless.events.LARGEST_ANSWER", most)
    answer = ask(service, url("POST", "/v1/embeddings", {"input": ["a"] * 500}))
    assert (answer["statusCode"], len(json.dumps(answer)) < most) == (413, True)
    assert json.loads(answer["body"])["error"]["code"] == "request_too_large"
    assert ask(service, url("POST", "/v1/embeddings", {"input": ["a"] * 400}))["statusCode"] == 200
    request = plain_request({"input": ["a"] * 500}, ())
    with pytest.raises(ArgumentError, match="fewer texts"):
        plain_answer(bounded(request, service.handle(*request)))


# --- plain invokes


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, "no request"),
        ([], "no request"),
        ("text", "no request"),
        (None, "no request"),
        ({"input": []}, "length"),
        ({"inputs": "\ud800"}, "JSON"),
        ({"inputs": {"source_sentence": "a"}}, "sentences"),
        ({"inputs": "a", "prompt_name": "absent"}, "absent"),
        ({"input": [1, 2]}, "token ids"),
        ({"inputs": float("nan")}, "JSON"),
    ],
    ids=str,
)
def test_a_wrong_plain_event_raises(service: Service, event: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        plain_answer(service.handle(*plain_request(event, ())))


def test_an_event_that_is_one_by_half_says_so() -> None:
    for event in (
        {"requestContext": {}},
        {"requestContext": None, "version": "2.0"},
        {"requestContext": {"http": {}}, "version": "2.0", "rawPath": "/"},
        {**url("POST", "/embed"), "headers": 3},
        {**rest("POST", "/embed"), "body": 3},
    ):
        with pytest.raises(ArgumentError, match="API Gateway"):
            http_request(event)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["version", "requestContext", "httpMethod", "path", "rawPath", "headers", "body", "inputs",
     "isBase64Encoded", "input", "http", "method", "stage"]
)  # fmt: skip


@given(st.dictionaries(KEYS, VALUES | st.just("2.0") | st.dictionaries(KEYS, VALUES), max_size=8))
def test_any_event_is_answered_or_refused(service: Service, event: dict[str, Any]) -> None:
    try:
        request = http_request(event) or plain_request(event, ())
        response = service.handle(*request)
    except ArgumentError:
        return
    assert response.status < 500, response.body
    assert json.dumps(http_answer(response))


# --- the handler's own module, in a process each, because importing it loads

HANDLER = """
import json, sys
from edgembed.serverless import aws
print(json.dumps([aws.handler(event) for event in json.loads(sys.argv[1])]))
"""


def handled(
    *events: Any, code: str = HANDLER, **variables: str
) -> tuple[int, Any, list[dict[str, Any]]]:
    """Exit code, the answers, and the log."""
    variables = {"EDGEMBED_THREADS": "1", **variables}
    done = python("-W", "error", "-c", code, json.dumps(events), **variables)
    lines = [json.loads(x) for x in done.stderr.splitlines() if x.startswith(b"{")]
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr, lines


def test_the_handler_answers_each_kind(bundles: Path) -> None:
    bundle = bundles / "tiny-frida"
    events = ({"input": "a"}, url("POST", "/embed", {"inputs": "a"}), rest("GET", "/health"))
    code, (plain, http, health), log = handled(*events, MODEL_ID=str(bundle))
    assert code == 0
    wanted = Embedder(bundle, threads=1).encode(["a"])
    assert np.array(plain["data"][0]["embedding"], np.float32).tobytes() == wanted.tobytes()
    assert np.array(json.loads(http["body"]), np.float32).tobytes() == wanted.tobytes()
    assert health["statusCode"] == 200
    assert [line["message"] for line in log] == ["loaded", *["request"] * 3]
    assert log[0]["load_ms"] > 0


def test_settings_are_serves_variables(bundles: Path) -> None:
    variables = {"API_KEY": "secret", "DTYPE": "float32", "MAX_CLIENT_BATCH_SIZE": "1"}
    many = {"inputs": ["a", "b"]}
    authorized = url("POST", "/embed", many, headers={**JSON, "authorization": "Bearer secret"})
    events = (url("POST", "/embed", many), authorized, {"inputs": "a"})
    code, (closed, limited, plain), log = handled(
        *events, MODEL_ID=str(bundles / "tiny-frida"), **variables
    )
    assert (code, closed["statusCode"], limited["statusCode"]) == (0, 401, 422)
    assert len(plain) == 1  # IAM has let it in
    assert log[0]["dtype"] == "float32"


def test_the_bundle_of_the_functions_package_is_found(bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(bundles / "tiny-cls", target_is_directory=True)
    code, (answer,), _ = handled({"inputs": "a"}, LAMBDA_TASK_ROOT=str(tmp_path))
    assert (code, len(answer)) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "workers"),
    [
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1770"}, min(2, available_threads())),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}, available_threads()),
        ({"EDGEMBED_THREADS": "3"}, 3),
    ],
)
def test_workers(bundles: Path, variables: dict[str, str], workers: int) -> None:
    own = {"EDGEMBED_THREADS": "", "MODEL_ID": str(bundles / "tiny-cls"), **variables}
    assert handled(**own)[2][0]["workers"] == workers


LAZY = """
import json, sys
from edgembed.serverless import aws
events, before, opened = json.loads(sys.argv[1]), set(sys.modules), []
sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == "open" else None)
answers = [aws.handler(event) for event in events]
print(json.dumps([sorted(set(sys.modules) - before), opened]))
"""


def test_a_call_finds_nothing_left_to_load(bundles: Path) -> None:
    events = ({"input": "a", "encoding_format": "base64"}, url("POST", "/embed", {"inputs": ["a"]}))
    _, left, _ = handled(*events, code=LAZY, MODEL_ID=str(bundles / "minilm"))
    assert left == [[], []]


def test_a_damaged_bundle_fails_the_import(bundle_copy: Path) -> None:
    change_json(bundle_copy / "manifest.json", default_dtype="float64")
    code, said, _ = handled({"input": "a"}, MODEL_ID=str(bundle_copy))
    assert code == 1
    assert b"ManifestError" in said
