"""The snippets of README and docs/, run as they stand; a library's own in tests/integrations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snippets import ROOT, snippets

DOCS = ROOT / "docs"

PAGES = ("README.md", "docs/cli.md", "docs/libraries.md", "docs/pack.md", "docs/quality.md")
SNIPPETS = [
    pytest.param(language, code, id=f"{page} {number}")
    for page in PAGES
    for number, (language, code) in enumerate(snippets(page))
    if language in ("python", "sh")
]


def test_snippets_are_found() -> None:
    languages = ({"python", "sh"}, {"sh"}, {"python"}, {"sh"}, {"sh"})
    for page, expected in zip(PAGES, languages, strict=True):
        assert expected <= {language for language, _ in snippets(page)}


def test_the_index_has_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page}" not in index} == set()


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        target, _, heading = link.partition("#")
        if "://" in link:
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), link
        if heading:
            assert heading in headings(file), link


def headings(file: Path) -> set[str]:
    """As GitHub makes them addresses."""
    lines = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


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
