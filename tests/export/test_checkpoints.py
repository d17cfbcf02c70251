"""The tests' own checkpoints: what was measured of one holds for the next run's."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import checkpoints
from support import python

MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import checkpoints
for recipe in checkpoints.TINY:
    checkpoints.make(recipe, Path(sys.argv[2]) / recipe.name)
"""


def test_they_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Trainers of tokenizers count with hashes and threads; all weights hang on their result."""
    found = []
    for name in ("one", "other"):
        done = python(
            "-W", "ignore", "-c", MAKE, Path(checkpoints.__file__).parent, tmp_path / name
        )
        assert done.returncode == 0, done.stderr.decode()
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({
            str(path.relative_to(tmp_path / name)): sha256(path.read_bytes()).hexdigest()
            for path in files
        })  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0]) > 3 * len(checkpoints.TINY)
