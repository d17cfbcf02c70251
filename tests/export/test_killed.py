"""kill -9 at random moments of an export: a whole bundle stands at the target, or none.

`--kills N` says how often (default 4; `make soak` takes 100).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed_export.parity import Tolerance
from edgembed_export.pipeline import Request, export

TEXTS = "Кошка сидит на окне.\nThe cat sits at the window.\nодин два три"


@pytest.fixture
def request_for(
    checkpoint_folder: Callable[[str], Path], tmp_path: Path
) -> Callable[[Path], Request]:
    few = tmp_path / "few.txt"
    few.write_text(TEXTS, encoding="utf-8")
    loose = Tolerance(int8_min=0.9, int8_mean=0.9)
    folder = str(checkpoint_folder("tiny-frida"))
    return lambda out: Request(folder, out, None, None, ("int8", "float32"), few, few, loose, True)


def export_in_child(request: Request) -> int:
    """Start an export in a fork of this process, which has all imports done; returns its pid."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        try:
            export(request)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return pid


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("already_there", [False, True])
def test_kill_leaves_a_whole_bundle_or_none(
    request_for: Callable[[Path], Request],
    tmp_path: Path,
    already_there: bool,
    pytestconfig: pytest.Config,
) -> None:
    kills = int(pytestconfig.getoption("--kills")) // 2
    target = tmp_path / "out" / "bundle"
    start = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(export_in_child(request_for(target)), 0)[1]) == 0
    seconds = time.monotonic() - start
    moments = random.Random(already_there)
    for _ in range(kills):
        if not already_there:
            shutil.rmtree(target, ignore_errors=True)
        pid = export_in_child(request_for(target))
        time.sleep(moments.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if already_there or target.exists():
            Bundle.open(target).verify()
            Embedder(target, threads=1, canaries="refuse").encode("Кошка")
    assert os.waitstatus_to_exitcode(os.waitpid(export_in_child(request_for(target)), 0)[1]) == 0
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]  # leftovers are swept
