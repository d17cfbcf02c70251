"""What importing and loading do not do, and what they leave as it was."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path

import pytest

from edgembed.background import Background
from edgembed.startup import quick_imports
from support import python

TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"


def _import_what_is_not_there(seen: list[object]) -> None:
    with quick_imports():
        seen += [os.environ[TIMEOUT], gc.isenabled()]
        import_module("nobody_wrote_this")


@pytest.mark.parametrize("own", [None, "20"])
@pytest.mark.parametrize("collecting", [True, False])
def test_settings_hold_for_the_imports_only(
    monkeypatch: pytest.MonkeyPatch, own: str | None, collecting: bool
) -> None:
    if own is None:
        monkeypatch.delenv(TIMEOUT, raising=False)
    else:
        monkeypatch.setenv(TIMEOUT, own)
    if not collecting:
        gc.disable()
    try:
        seen: list[object] = []
        with pytest.raises(ModuleNotFoundError):
            _import_what_is_not_there(seen)
        assert seen == [own or "4", False]
        assert os.environ.get(TIMEOUT) == own
        assert gc.isenabled() == collecting
    finally:
        gc.enable()


def test_the_settings_are_there_when_numpy_is_imported() -> None:
    script = """
import os, sys
seen = []
def hook(event, args):
    if event == "import" and args[0] == "numpy":
        seen.append(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
sys.addaudithook(hook)
from edgembed import Embedder
print(seen[0], os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
"""
    assert python("-c", script, **{TIMEOUT: None}).stdout.split() == [b"4", b"None"]
    assert python("-c", script, **{TIMEOUT: "20"}).stdout.split() == [b"20", b"20"]


def test_what_the_first_vector_does_not_need_is_not_imported(bundles: Path) -> None:
    script = """
import sys
from edgembed import Embedder
assert "onnxruntime" not in sys.modules  # imported while the weights are hashed
Embedder(sys.argv[1]).encode("The cat")
unneeded = {"logging", "concurrent.futures", "asyncio", "importlib.metadata"}
unneeded |= {"edgembed.textcut." + own for own in ("longtext", "places", "runs", "repeats")}
print(unneeded & set(sys.modules))
"""
    done = python("-c", script, bundles / "tiny-frida")
    assert done.stdout.strip() == b"set()", done.stderr.decode()


def test_logging_imported_later_is_heard(bundles: Path) -> None:
    script = """
import sys
from edgembed import Embedder
import logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
Embedder(sys.argv[1])
"""
    done = python("-c", script, bundles / "tiny-frida")
    assert b"default prompt" in done.stdout, done.stderr.decode()


def test_a_call_in_the_background_gives_its_result() -> None:
    with Background(lambda: 42) as call:
        pass
    assert call.result() == call.result() == 42


def test_a_call_in_the_background_gives_its_error() -> None:
    with Background(lambda: 1 // 0) as call:
        pass
    with pytest.raises(ZeroDivisionError):
        call.result()
