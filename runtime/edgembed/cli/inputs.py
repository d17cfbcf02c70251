"""Reading the texts of a file or of stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from edgembed.errors import TextError


class Record(NamedTuple):
    """One input text, its line (from 1), and the fields to keep beside its embedding."""

    text: str
    line: int
    fields: dict[str, Any]


def read_records(source: str, field: str | None) -> list[Record]:
    """All records of a file, or of stdin for "-".

    Without `field` each line is a text, an empty line an empty text, so that line n is vector n.
    With it each line is a JSON object whose `field` is the text; blank lines are passed over.
    TextError names the line that is not UTF-8, not JSON, or without the field.
    """
    raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    lines = _decode(raw, source).split("\n")
    if lines[-1] == "":  # what follows the last newline is no line
        lines.pop()
    numbered = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1)]
    if field is None:
        return [Record(line, number, {"text": line}) for number, line in numbered]
    return [_json_record(line, n, field, source) for n, line in numbered if line.strip()]


def _decode(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8-sig")  # a byte order mark is no part of the first text
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TextError(f"{source}, line {line} is not UTF-8: convert the file first") from error


def _json_record(line: str, number: int, field: str, source: str) -> Record:
    where = f"{source}, line {number}"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TextError(f"{where} is not valid JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get(field), str):
        raise TextError(f"{where} has no text in a field {field!r}: name the right one in --field")
    return Record(value[field], number, value)
