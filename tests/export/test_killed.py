"""kill -9 at random moments of an export: a whole bundle stands at the target, or none.

Four times, under `make soak` a hundred.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TEXTS = "Кошка сидит на окне.\nThe cat sits at the window.\nодин два три"
SECONDS_EACH = 120  # an export that takes longer hangs


@pytest.mark.parametrize("mode", ["fresh", "overwrite"])
def test_kill_leaves_a_whole_bundle_or_none(
    checkpoint_folder: Callable[[str], Path],
    tmp_path: Path,
    mode: str,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    kills = amount(2, 50)
    texts = tmp_path / "texts.txt"
    texts.write_text(TEXTS, encoding="utf-8")
    script = Path(__file__).with_name("kill_exports.py")
    arguments = [checkpoint_folder("tiny-frida"), texts, tmp_path / "out" / "bundle", kills, mode]
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_EACH * (kills + 2),
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == kills
    figure(f"{kills} kills, each left a whole bundle or none")
