"""The README's snippets, run as they stand: those after a `<!-- test: LANGUAGE -->` line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"<!-- test: (python|sh) -->\n```\1\n(.*?)```", README, re.DOTALL)


def test_snippets_are_found() -> None:
    assert {language for language, _ in SNIPPETS} == {"python", "sh"}


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_snippet(language: str, code: str, bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(bundles / "minilm", target_is_directory=True)
    command = [sys.executable, "-W", "error", "-c"] if language == "python" else ["sh", "-ec"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [*command, code],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
