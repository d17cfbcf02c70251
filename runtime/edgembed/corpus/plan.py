"""The plan: which parts there are. Made once, kept beside the output, the same in every process."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from edgembed.corpus.arrow import pa
from edgembed.corpus.places import File, Place
from edgembed.corpus.readers import ENDINGS
from edgembed.corpus.readers.spans import Ask, Layout, Rows, Span
from edgembed.corpus.settings import EMBEDDING, PART_ROWS, Settings
from edgembed.corpus.writers import check_format
from edgembed.errors import ArgumentError

_PACKED = ("gz", "bz2", "zst", "xz", "lz4", "br", "snappy", "zip")


class Source(NamedTuple):
    """The input: where, which files, and how they end (all alike)."""

    place: Place
    files: tuple[File, ...]
    ending: str

    def read(self, span: Span, text: str, schema: Any) -> Rows:
        """The rows of one span; ArgumentError or OSError names its file where it is damaged."""
        place = f"{span.file}, rows from {span.first}"
        try:
            rows: Rows = ENDINGS[self.ending].read(self.place, span, text, schema)
        except pa.ArrowException as error:
            raise ArgumentError(f"{place}: {error}: repair the file") from error
        except OSError as error:
            raise OSError(f"{place}: {error}") from error
        return rows


class Part(NamedTuple):
    """A span of the input with its number, from 0 in the order of the input: one output file."""

    number: int
    span: Span

    def output(self, ending: str) -> str:
        """The name of its file in the output: in the folder (key=value, say) of its input."""
        return str(PurePosixPath(self.span.file).parent / f"part-{self.number:06d}.{ending}")


@dataclass(frozen=True)
class Plan:
    """All parts, and the schema that files of lines are read with (None: their own)."""

    parts: tuple[Part, ...]
    schema: Any

    @property
    def rows(self) -> int:
        """Rows of the whole input."""
        return sum(part.span.rows for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """For the file that is kept beside the output."""
        schema = None if self.schema is None else _text(self.schema)
        return {"schema": schema, "parts": [list(part.span) for part in self.parts]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Plan:
        """The inverse of to_json."""
        parts = tuple(Part(i, Span(*span)) for i, span in enumerate(value["parts"]))
        schema = value["schema"]
        return cls(parts, None if schema is None else _schema(schema))


def find(uri: str) -> Source:
    """The files of an input: one file, or all of a folder and its sub-folders.

    Names that begin with "_" or "." are not data, as everywhere where Parquet is read.
    """
    place = Place.at(uri)
    if place.is_file():
        folder, _, name = place.root.rpartition("/")
        place = Place(place.filesystem, folder)
        info = place.filesystem.get_file_info(place.path(name))
        files = [File(name, info.size, info.mtime_ns or 0)]
    else:
        files = [file for file in place.files() if not _is_hidden(file.name)]
    _check_uncompressed(uri, files)
    endings = {end: [f for f in files if _ending(f.name) == end] for end in ENDINGS}
    found = {end: own for end, own in endings.items() if own}
    if len(found) != 1:
        raise ArgumentError(
            f"{uri} has {'no' if not found else ' and '.join(found)} files to read: name a file, "
            f"or a folder with files of one of these endings: {', '.join(ENDINGS)} (uncompressed, "
            "but for Parquet)"
        )
    ((ending, own),) = found.items()
    return Source(place, tuple(own), ending)


def make(source: Source, settings: Settings, workers: int) -> Plan:
    """Cut the input into parts. Reads it once: of Parquet only the footers."""
    names = [file.name for file in source.files]
    layout: Layout = ENDINGS[source.ending].layout(
        source.place, names, Ask(settings.text, settings.part_rows or PART_ROWS)
    )
    rows = sum(span.rows for span in layout.spans)
    smaller = _rows_of_a_part(rows, workers)
    if settings.part_rows is None and smaller < PART_ROWS:
        layout = ENDINGS[source.ending].layout(source.place, names, Ask(settings.text, smaller))
    _check_columns(source, layout, settings)
    return Plan(tuple(Part(i, span) for i, span in enumerate(layout.spans)), layout.schema)


def _check_uncompressed(uri: str, files: Sequence[File]) -> None:
    """ArgumentError for a file that would be read if it were not compressed."""
    for file in files:
        inner, _, ending = file.name.rpartition(".")
        if ending.lower() in _PACKED and _ending(inner) in ENDINGS:
            raise ArgumentError(
                f"{uri} has {file.name}, and all but Parquet is read uncompressed: decompress it, "
                "or take it out"
            )


def _rows_of_a_part(rows: int, workers: int) -> int:
    """Few rows make small parts, so that every worker has some and the end is not one's alone."""
    return max(256, -(-rows // (8 * workers)))


def _check_columns(source: Source, layout: Layout, settings: Settings) -> None:
    for file in dict.fromkeys(span.file for span in layout.spans):
        schema = layout.schema
        if schema is None:
            first = next(span for span in layout.spans if span.file == file)
            schema = source.read(first._replace(rows=0), settings.text, None).table.schema
        if EMBEDDING in schema.names:
            raise ArgumentError(
                f"{file} has a column {EMBEDDING!r} already, which the output would overwrite: "
                "rename it"
            )
        if settings.key is not None and settings.key not in schema.names:
            raise ArgumentError(
                f"{file} has no column {settings.key!r}, only {', '.join(schema.names)}: name the "
                "rows' key with --key"
            )
        check_format(settings.format, schema)


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _is_hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def _text(schema: Any) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def _schema(text: str) -> Any:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
