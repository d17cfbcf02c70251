"""Files of text pairs, with people's scores or without.

Files are told apart by their ending: .tsv, .csv and .jsonl hold two texts and, where they are
labelled, a number a line; anything else holds one text a line.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgembed.errors import ArgumentError

ENDINGS = (".tsv", ".csv", ".jsonl")
# The names that data sets give the three columns, in a header line or as a JSON line's keys.
_TEXT_NAMES = (("sentence1", "text1", "text_1"), ("sentence2", "text2", "text_2"))
_SCORE_NAMES = ("score", "similarity_score", "label", "class")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Pair:
    """Two texts and how alike people found them, on any scale; None where nobody was asked."""

    first: str
    second: str
    score: float | None = None


def is_pairs(path: Path) -> bool:
    """Whether a file of this name holds pairs."""
    return path.suffix.lower() in ENDINGS


def read_pairs(path: Path, option: str, *, scored: bool) -> tuple[Pair, ...]:
    """The pairs of a file. scored: each must have a score; else all have one or none has.

    ArgumentError names the option, the file, and the line that cannot be read.
    """
    return tuple(_Reader(path, f"{option} {path}", scored).pairs())


def read_text(path: Path, name: str) -> str:
    """A file in UTF-8, with or without a byte order mark, its line ends as they are.

    ArgumentError, which calls the file `name`, where it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{name} is not UTF-8 ({error}): convert the file first") from error
    except OSError as error:
        raise ArgumentError(f"{name}: {error}") from error


@dataclass(frozen=True)
class _Reader:
    path: Path
    name: str
    scored: bool

    def pairs(self) -> Iterator[Pair]:
        content = read_text(self.path, self.name)
        rows = {".jsonl": self._json, ".tsv": self._tsv}.get(self.path.suffix.lower(), self._csv)
        wanted = 3 if self.scored else None
        for line, fields in rows(content):
            if wanted is None and len(fields) in (2, 3):
                wanted = len(fields)
            if len(fields) != wanted:
                raise self._bad(line, f"holds {len(fields)} field(s)")
            yield self._pair(line, fields)

    def _json(self, content: str) -> Iterator[tuple[int, Sequence[Any]]]:
        # Not splitlines(): it also splits at separators that JSON allows inside a string.
        for line, raw in enumerate(content.split("\n"), 1):
            if not raw.strip():
                continue
            try:
                value = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise self._bad(line, f"is not valid JSON ({error})") from error
            if isinstance(value, dict):
                value = self._values(value)
            yield line, value if isinstance(value, list) else [value]

    def _values(self, value: dict[str, Any]) -> list[Any]:
        names = [*_TEXT_NAMES, _SCORE_NAMES]
        found = [next((value[k] for k in keys if k in value), None) for keys in names]
        has_score = self.scored or any(name in value for name in _SCORE_NAMES)
        return found if has_score else found[:2]

    def _tsv(self, content: str) -> Iterator[tuple[int, Sequence[str]]]:
        # A tab-separated file has no quoting: its texts hold quotation marks of their own.
        lines = (line.removesuffix("\r").split("\t") for line in content.split("\n"))
        return self._named(enumerate(lines, 1))

    def _csv(self, content: str) -> Iterator[tuple[int, Sequence[str]]]:
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        most = csv.field_size_limit(len(content) + 1)  # of all readers, so it is put back
        try:
            rows = [(reader.line_num, fields) for fields in reader]
        except csv.Error as error:
            raise self._bad(reader.line_num, f"cannot be read ({error})") from error
        finally:
            csv.field_size_limit(most)
        return self._named(rows)

    def _named(
        self, rows: Iterable[tuple[int, Sequence[str]]]
    ) -> Iterator[tuple[int, Sequence[str]]]:
        """The rows that are not blank; where the first names columns, those of the others."""
        filled = ((line, fields) for line, fields in rows if any(map(str.strip, fields)))
        first = next(filled, None)
        if first is None:
            return
        columns = self._header(first[1])
        if columns is None:  # without a header a line holds nothing else
            yield first
        for line, fields in filled:
            yield line, [fields[c] for c in columns if c < len(fields)] if columns else fields

    def _header(self, fields: Sequence[str]) -> tuple[int, ...] | None:
        """Columns of the two texts and the score, where this line names them."""
        names = [field.strip().lower() for field in fields]
        wanted = (*_TEXT_NAMES, _SCORE_NAMES)
        first, second, score = (
            next((names.index(k) for k in keys if k in names), None) for keys in wanted
        )
        if first is None or second is None:
            return None
        if score is None:
            return None if self.scored else (first, second)
        return first, second, score

    def _pair(self, line: int, fields: Sequence[Any]) -> Pair:
        for text in fields[:2]:
            # JSON can spell half a character ("\\ud800"), which no tokenizer takes.
            if not isinstance(text, str) or not text.strip() or _SURROGATE.search(text):
                raise self._bad(line, f"has {text!r} for a text")
        if len(fields) == 2:
            return Pair(fields[0], fields[1])
        score = fields[2]
        try:
            number = math.nan if isinstance(score, bool) else float(score)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self._bad(line, f"has {score!r} for a score")
        return Pair(fields[0], fields[1], number)

    def _bad(self, line: int, what: str) -> ArgumentError:
        number = "a number" if self.scored else "a number, or two texts alone"
        return ArgumentError(
            f"{self.name}, line {line} {what}: each line is two texts and {number}. For one "
            "text a line, name the file .txt"
        )
