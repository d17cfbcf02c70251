"""The snippets of a page of documentation: those after a `<!-- test: LANGUAGE -->` line."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
_SNIPPET = re.compile(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def snippets(page: str) -> list[tuple[str, str]]:
    """(language or library, code) of each, in their order; page: a path inside the project."""
    return _SNIPPET.findall((ROOT / page).read_text(encoding="utf-8"))
