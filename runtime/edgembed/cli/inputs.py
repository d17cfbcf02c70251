"""Reading the texts of a file or of stdin."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from edgembed.errors import TextError


class Record(NamedTuple):
    """One input text, its line (from 1), and the fields to keep beside its embedding."""

    text: str
    line: int
    fields: dict[str, Any]


# What is told of a line that holds no text, where the others are to be read all the same.
OnBadLine = Callable[[int, TextError], None]


def read_records(source: str, field: str | None, on_bad: OnBadLine | None = None) -> list[Record]:
    """All records of a file, or of stdin for "-".

    Without `field` each line is a text, an empty line an empty text, so that line n is vector n.
    With it each line is a JSON object whose `field` is the text; blank lines are passed over.
    TextError names the line that is not UTF-8, not JSON, or without the field; where on_bad is
    given, it is called for each instead, and the others are read.
    """
    raw = sys.stdin.buffer.read() if source == "-" else _content(Path(source))
    lines = raw.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if lines[-1] == b"":  # what follows the last newline is no line
        lines.pop()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            if record := _record(line, number, field, f"{source}, line {number}"):
                records.append(record)
        except TextError as error:
            if on_bad is None:
                raise
            on_bad(number, error)
    return records


def _content(path: Path) -> bytes:
    """A file's content; a text in its place, or a folder, is answered with what to do."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no file {str(path)!r}: name one with a text a line, or - and pipe texts in "
            "(echo TEXT | edgembed encode BUNDLE)"
        ) from error
    except IsADirectoryError as error:
        raise IsADirectoryError(
            f"{str(path)!r} is a folder: name a file with a text a line (for a folder of Parquet, "
            "JSONL or CSV there is  edgembed corpus)"
        ) from error


def _record(raw: bytes, number: int, field: str | None, where: str) -> Record | None:
    """The record of a line; None for a blank one among JSON."""
    try:
        line = raw.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise TextError(f"{where} is not UTF-8: convert the file first") from error
    if field is None:
        return Record(line, number, {"text": line})
    return _json_record(line, number, field, where) if line.strip() else None


def _json_record(line: str, number: int, field: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TextError(f"{where} is not valid JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get(field), str):
        raise TextError(f"{where} has no text in a field {field!r}: name the right one in --field")
    return Record(value[field], number, value)
