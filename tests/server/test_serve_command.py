"""`edgembed serve`: flags, variables, and what it says when it cannot start."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgembed.cli import parser
from edgembed.service.settings import Settings
from serving import MAIN
from support import python

HIDE = """
import importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "NAME":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
"""


@pytest.mark.parametrize(
    "name",
    ["starlette", "uvicorn", "httptools", "msgspec", "orjson", "prometheus_client"],
)
def test_without_the_extra_it_says_how_to_get_it(frida: Path, name: str) -> None:
    done = python("-c", HIDE.replace("NAME", name) + MAIN, "serve", frida, "--port", "0")
    assert done.returncode == 1
    assert done.stderr.decode() == "edgembed: serve needs: pip install 'edgembed[serve]'\n"


@pytest.mark.parametrize("command", [["--help"], ["serve", "--help"]])
def test_help_imports_neither_the_extra_nor_numpy(command: list[str]) -> None:
    script = "import atexit, sys\natexit.register(lambda: print(sorted(sys.modules)))\n" + MAIN
    done = python("-c", script, *command)
    assert done.returncode == 0
    *help_, modules = done.stdout.decode().splitlines()
    for name in ("msgspec", "starlette", "uvicorn", "orjson", "numpy", "onnxruntime"):
        assert f"'{name}'" not in modules
    assert any("serve" in line for line in help_)


def test_flags_win_over_variables(start: Callable[..., Any], frida: Path) -> None:
    variables = {
        "SERVED_MODEL_NAME": "by-variable",
        "MAX_CLIENT_BATCH_SIZE": "7",
        "MAX_CONCURRENT_REQUESTS": "9",
        "MAX_BATCH_TOKENS": "",
        "EDGEMBED_HOST": "",
        "API_KEY_FILE": "",
        "AUTO_TRUNCATE": "false",
        "DTYPE": "float32",
        "EDGEMBED_THREADS": "1",
        "DEFAULT_PROMPT_NAME": "search_query",
    }
    with start(frida, "--served-model-name", "by-flag", "--auto-truncate", **variables) as server:
        info = server.get("/info").json
        assert server.url.startswith("http://127.0.0.1:")
    assert info["served_model_name"] == "by-flag"
    assert info["max_client_batch_size"] == 7
    assert info["max_concurrent_requests"] == 9
    assert info["max_batch_tokens"] == Settings().max_batch_tokens
    assert info["auto_truncate"] is True
    assert info["model_dtype"] == "float32"
    assert info["tokenization_workers"] == 1
    assert info["default_prompt"] == "search_query: "


def test_the_bundle_by_variable_and_no_other_address(frida: Path) -> None:
    # HOSTNAME is what Docker sets to the container's id, HOST what some shells set.
    done = python("-c", MAIN, "serve", "--port", "0", MODEL_ID=None)
    assert done.returncode == 2
    assert "MODEL_ID" in done.stderr.decode()
    args = parser().parse_args(["serve", "bundle"])
    assert args.host is None


def test_it_listens_on_this_machine_only(
    start: Callable[..., Any], frida: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(frida, HOSTNAME="0.0.0.0", HOST="0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")
    with start(frida, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.get("/health").status == 200


@pytest.mark.parametrize(
    ("flags", "variables", "said"),
    [
        (["--port", "x"], {}, "--port='x'"),
        (["--port", "65536"], {}, "--port='65536' is no value for it (out of range)"),
        ([], {"PORT": "tcp://10.0.0.1:80"}, "PORT='tcp://10.0.0.1:80'"),
        ([], {"MAX_CLIENT_BATCH_SIZE": "many"}, "MAX_CLIENT_BATCH_SIZE='many'"),
        ([], {"AUTO_TRUNCATE": "perhaps"}, "AUTO_TRUNCATE='perhaps' is no value for it (neither"),
        (["--threads", "0"], {}, "--threads='0'"),
        (["--request-timeout", "nan"], {}, "--request-timeout='nan'"),
        (["--payload-limit", "0"], {}, "payload_limit must be positive"),
        (["--api-key", ""], {}, "API key"),
        ([], {"API_KEY": ""}, "API key"),
        (["--api-key-file", "/nowhere"], {}, "/nowhere"),
        (["--dtype", "int3"], {}, "int3"),
        (["--default-prompt-name", "nobody"], {}, "nobody"),
        (["--max-batch-tokens", "3"], {}, "max_batch_tokens 3"),
        (["--host", "256.1.1.1"], {}, "cannot listen on 256.1.1.1"),
        (["--host", "ü" * 70], {}, "cannot listen on ü"),
        (["--host", ""], {}, "--host=''"),
        ([], {"EDGEMBED_HOST": " "}, "EDGEMBED_HOST=' '"),
    ],
)
def test_wrong_settings(
    frida: Path, flags: list[str], variables: dict[str, str], said: str
) -> None:
    port = [] if "--port" in flags or "PORT" in variables else ["--port", "0"]
    done = python("-c", MAIN, "serve", frida, *port, *flags, **variables)
    assert done.returncode == 2, done.stderr.decode()
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_port_that_is_taken(frida: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = python("-c", MAIN, "serve", frida, "--port", port)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr.decode()


def test_no_bundle_there(tmp_path: Path) -> None:
    done = python("-c", MAIN, "serve", tmp_path, "--port", "0")
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr.decode()
