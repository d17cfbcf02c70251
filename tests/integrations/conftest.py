"""Fixtures of the integrations' tests, which run in a library's own environment.

    pytest tests/integrations --library NAME

`make libraries` makes the environments. Without --library nothing here is collected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edgembed import Embedder

_Result = TypeVar("_Result")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--library", help="the library of this environment, see libraries.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    library = config.getoption("library", default=None)
    wanted = {f"test_{library}.py", "test_library_page.py"} if library else set()
    return True if collection_path.is_file() and collection_path.name not in wanted else None


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest) -> str:
    name: str = request.config.getoption("library")
    return name


@pytest.fixture
def frida(bundles: Path) -> str:
    """A bundle whose prompts for queries and documents differ, and differ from the default."""
    return str(bundles / "tiny-frida")


@pytest.fixture
def model(frida: str) -> Embedder:
    return Embedder(frida)


@pytest.fixture
def run_beside() -> Callable[[Coroutine[Any, Any, _Result]], _Result]:
    """Run a coroutine, and fail unless the event loop went on while it ran.

    A coroutine that computes on the loop is done after the loop's first turn.
    """

    async def watch(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        task, turns = asyncio.ensure_future(coroutine), 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 10, f"the loop stood still: {turns} turns"
        return task.result()

    return lambda coroutine: asyncio.run(watch(coroutine))
