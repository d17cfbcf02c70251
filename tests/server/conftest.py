"""Fixtures of the server's tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import Server, serve


@pytest.fixture(scope="session")
def start() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """start(BUNDLE, *flags, **variables): a context with a Server."""
    return serve


@pytest.fixture(scope="session")
def frida(bundles: Path) -> Path:
    return bundles / "tiny-frida"


@pytest.fixture(scope="session")
def server(start: Callable[..., Any], frida: Path) -> Iterator[Server]:
    """A server of tiny-frida, as it comes; shared by the tests that change nothing in it."""
    with start(frida) as running:
        yield running
