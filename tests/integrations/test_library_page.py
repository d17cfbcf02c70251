"""docs/libraries.md's snippets for the library of this environment, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from snippets import snippets

PAGE = "docs/libraries.md"


def test_snippets(library: str, bundles: Path, tmp_path: Path) -> None:
    codes = [code for name, code in snippets(PAGE) if name == library]
    assert codes, f"{PAGE} has no snippet for {library}"
    (tmp_path / "bundle").symlink_to(bundles / "minilm", target_is_directory=True)
    for code in codes:
        expected = [line.partition("  # ")[2] for line in code.splitlines() if "print(" in line]
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for said, promised in zip(done.stdout.splitlines(), expected, strict=False):
            assert promised in ("", said)
