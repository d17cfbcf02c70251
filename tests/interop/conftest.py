"""Fixtures of the interop tests: other people's tools, each in its own environment.

    pytest tests/interop --work FOLDER [--clients NAMES]

They are asked for by --work, which keeps the environments; without it nothing here is collected.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from setup_clients import ALL, CLIENTS, HERE

from environments import SetupError, set_up
from support import ROOT

Vectors = npt.NDArray[np.float32]
# A client that asks the hub for anything must fail, not find it there.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--work", type=Path, help="where the clients' environments are kept")
    parser.addoption(
        "--clients",
        default=",".join(CLIENTS),
        help="the clients to test (default: %(default)s); each must be installable",
    )
    parser.addoption(
        "--server-python",
        default=str(ROOT / ".venv" / "runtime" / "bin" / "python"),
        help="the Python that `edgembed serve` runs in (default: %(default)s)",
    )


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return True if config.getoption("work", default=None) is None else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" in metafunc.fixturenames:
        names = metafunc.config.getoption("clients").split(",")
        if unknown := [name for name in names if name not in CLIENTS]:
            raise pytest.UsageError(f"--clients {unknown[0]!r} is none of {', '.join(CLIENTS)}")
        metafunc.parametrize("client", names)


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """run(CLIENT, script, *arguments, cwd=None): run a script in a client's environment.

    A client that cannot be installed fails the test, and says why.
    """
    work: Path = request.config.getoption("work").absolute()

    @cache
    def command(name: str) -> list[str]:
        try:
            return set_up(ALL[name].environment, work)
        except SetupError as error:
            pytest.fail(f"{name} cannot be installed: {error}", pytrace=False)

    def start(name: str, script: Path, *arguments: str | Path, cwd: Path | None = None) -> None:
        if script.suffix == ".mjs":
            # Node looks for packages beside the script, not where it runs.
            folder = work / ALL[name].environment.name
            command(name)
            script = Path(shutil.copy(script, folder / f"run-{os.getpid()}-{script.name}"))
        done = subprocess.run(
            [*command(name), str(script), *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **OFFLINE},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"

    return start


@pytest.fixture(scope="session")
def embed(
    run: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Sequence[Mapping[str, Any]]], list[Vectors]]:
    """embed(CLIENT, requests): (n, dim) for each request, by the client's script in clients/."""

    def ask(name: str, asked: Sequence[Mapping[str, Any]]) -> list[Vectors]:
        folder = tmp_path_factory.mktemp("asked")
        answer = folder / ("answers.json" if name == "transformers.js" else "answers.npz")
        (folder / "requests.json").write_text(json.dumps(asked), encoding="utf-8")
        run(name, HERE / "clients" / CLIENTS[name].script, folder / "requests.json", answer)
        if answer.suffix == ".npz":
            return [np.asarray(own, np.float32) for own in np.load(answer).values()]
        return [np.array(own, np.float32) for own in json.loads(answer.read_text("utf-8"))]

    return ask
