"""The snippets of README and docs/, run as they stand; a library's own in tests/integrations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snippets import snippets

PAGES = ("README.md", "docs/cli.md", "docs/libraries.md", "docs/quality.md")
SNIPPETS = [
    pytest.param(language, code, id=f"{page} {number}")
    for page in PAGES
    for number, (language, code) in enumerate(snippets(page))
    if language in ("python", "sh")
]


def test_snippets_are_found() -> None:
    for page, expected in zip(PAGES, ({"python", "sh"}, {"sh"}, {"python"}, {"sh"}), strict=True):
        assert expected <= {language for language, _ in snippets(page)}


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_snippet(language: str, code: str, bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(bundles / "minilm", target_is_directory=True)
    (tmp_path / "texts.txt").write_text("first text\nsecond text\n")
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
