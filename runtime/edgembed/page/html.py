"""Small pieces of HTML. Whatever comes in as text goes out escaped; only Html goes out as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

Html = NewType("Html", str)
_SHOWN_CHARACTERS = 300


def tag(name: str, *content: Html, css: str = "") -> Html:
    """<name class=css>content</name>."""
    css = f' class="{escape(css)}"' if css else ""
    return Html(f"<{name}{css}>{''.join(content)}</{name}>\n")


def text(value: str) -> Html:
    """Plain text, escaped; characters that only turn the reading direction around are shown."""
    return Html("".join(_shown(c) for c in escape(value)))


def cut(value: str) -> str:
    """The beginning of a long text, and how much more there is."""
    more = len(value) - _SHOWN_CHARACTERS
    return value if more <= 0 else f"{value[:_SHOWN_CHARACTERS]}… ({more} characters more)"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> Html:
    """A table that scrolls sideways on its own. The first `words` columns are text, not figures."""
    css = ["words"] * words + [""] * (len(head) - words)
    header = (_cell("th", value, c) for value, c in zip(head, css, strict=True))
    body = (tag("tr", *(_cell("td", v, c) for v, c in zip(row, css, strict=True))) for row in rows)
    inner = tag(
        "table", tag("caption", text(caption)), tag("tr", *header), *body, css=f"words-{words}"
    )
    return tag("div", inner, css="scroll")


def figure(svg: str, caption: str) -> Html:
    """A plot with what to look for in it."""
    return tag("figure", Html(svg), tag("figcaption", text(caption)))


def document(title: str, css: str, *content: Html) -> Html:
    """A whole page that may fetch and run nothing: its policy says so to the browser too."""
    return Html(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{tag('title', text(title))}<style>\n{css}</style>\n</head>\n<body>\n"
        f"{''.join(content)}</body>\n</html>\n"
    )


def _cell(name: str, value: str, css: str) -> Html:
    return tag(name, text(value), css=css)


def _shown(character: str) -> str:
    """A control or direction-changing character by its number, so that a text cannot rearrange
    the page around it; a lone surrogate, because UTF-8 has no bytes for it.
    """
    code = ord(character)
    hidden = code < 32 and character not in "\n\t"
    turns = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return f"\\u{code:04x}" if hidden or turns or 0xD800 <= code <= 0xDFFF else character
