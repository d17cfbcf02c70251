"""Options and fixtures of every test.

The runtime's tests (this folder) run where torch is not installed; tests/export needs the export
extra. The runtime's are held against torch all the same: `make bundles` exports bundles and writes
torch's own ids and vectors beside them.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from edgembed import Embedder
from support import BUNDLE_NAMES, ROOT, Answers, write_keys

# No deadlines, because a busy machine is no defect; the same examples on every run, because a
# failure must be seen by whoever runs the test again. `--hypothesis-profile search` looks further.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, database=None, max_examples=2000)
settings.load_profile("repeatable")

if importlib.util.find_spec("torch") is None:
    collect_ignore = ["export"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bundles",
        type=Path,
        default=ROOT / ".cache" / "test-bundles",
        help="the folder that `make bundles` wrote (default: %(default)s)",
    )
    parser.addoption(
        "--shared",
        type=Path,
        default=None,
        help="a folder with models/rubert-mini-frida, models/e5-small-ruen and data/, for the "
        "tests that need real checkpoints and data sets; without it they are skipped",
    )
    parser.addoption(
        "--soak",
        nargs="?",
        type=float,
        const=1.0,
        metavar="PART",
        help="run long what is short otherwise (see `amount`), and print the figures at the end; "
        "--soak=0.1 takes a tenth of the long amounts",
    )


_FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = {}
    # A shell's background job ignores Ctrl-C, and so would every process that a test starts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    if config.getoption("--soak"):
        terminalreporter.section("figures")
        for name, said in config.stash[_FIGURES].items():
            terminalreporter.write_line(f"{name}: {said}")


@pytest.hookimpl(trylast=True)  # after -k and -m have taken their pick
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = config.getoption("--bundles")
    needed = any("bundles" in getattr(item, "fixturenames", ()) for item in items)
    missing = [name for name in BUNDLE_NAMES if not (folder / f"{name}.json").is_file()]
    if needed and missing:
        raise pytest.UsageError(
            f"{folder} has no {', '.join(missing)}: run `make bundles` first, or name the folder "
            "with --bundles"
        )


@pytest.fixture(scope="session")
def bundles(request: pytest.FixtureRequest) -> Path:
    """The folder of exported bundles."""
    folder: Path = request.config.getoption("--bundles")
    return folder.absolute()


@pytest.fixture(scope="session")
def answers(bundles: Path) -> Callable[[str], Answers]:
    """answers(NAME): torch's ids and vectors for the texts of make_bundles.py."""

    @cache
    def read(name: str) -> Answers:
        raw = json.loads((bundles / f"{name}.json").read_text(encoding="utf-8"))
        vectors = {prompt: np.array(v, np.float32) for prompt, v in raw["vectors"].items()}
        return Answers(list(raw["texts"]), raw["ids"], vectors)

    return read


@pytest.fixture(scope="session")
def embedder(bundles: Path) -> Callable[..., Embedder]:
    """embedder(NAME, dtype): a loaded model, shared by all tests."""

    @cache
    def load(name: str, dtype: str = "float32", threads: int = 1) -> Embedder:
        return Embedder(bundles / name, dtype=dtype, threads=threads)

    return load


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """amount(SHORT, FULL): how often to do something; FULL under `make soak`.

    --soak=PART: that part of FULL where it is larger than SHORT, else as without.
    """
    part: float | None = request.config.getoption("--soak")

    def choose(short: int, full: int) -> int:
        if part is None or part == 1:
            return short if part is None else full
        return max(short, round(part * full))

    return choose


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """figure(TEXT): what a test measured, for docs/reliability.md; `make soak` prints it."""

    def record(said: str) -> None:
        request.config.stash[_FIGURES][request.node.nodeid] = said

    return record


@pytest.fixture
def bundle_copy(bundles: Path, tmp_path: Path) -> Path:
    """A small bundle to spoil."""
    return Path(shutil.copytree(bundles / "tiny-frida", tmp_path / "bundle"))


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of an Ed25519 private key and its public one."""
    return write_keys(tmp_path_factory.mktemp("keys"), "key")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Path:
    """The folder of real checkpoints and data sets; skips where none was named."""
    folder: Path | None = request.config.getoption("--shared")
    if folder is None:
        pytest.skip("needs real checkpoints or data: name their folder with --shared PATH")
    return folder.absolute()
