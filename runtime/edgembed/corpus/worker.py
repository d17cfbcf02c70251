"""One part: read, embed, write. What any process does with a part's number gives the same files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgembed.corpus import state
from edgembed.corpus.arrow import chosen, pa
from edgembed.corpus.halt import never
from edgembed.corpus.model import CorpusModel, Loading, Output, shared_model
from edgembed.corpus.places import Place
from edgembed.corpus.plan import Part, Source
from edgembed.corpus.readers.spans import Rows
from edgembed.corpus.settings import Settings
from edgembed.corpus.writers import embedding_column, nullable_column, serialize
from edgembed.errors import BundleError, InferenceError, TextError
from edgembed.jsontext import to_json


class Counts(NamedTuple):
    """What became of rows: read, given a vector, refused; texts that were cut; tokens."""

    rows: int = 0
    embedded: int = 0
    refused: int = 0
    cut: int = 0
    tokens: int = 0

    def plus(self, other: Counts) -> Counts:
        """The sums."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Job:
    """All that a worker needs, on whatever machine it is.

    about: what the files say of their vectors. run: all that decides the output, for its state.
    """

    loading: Loading
    fingerprint: str
    source: Source
    out: Place
    settings: Settings
    output: Output
    about: dict[str, str]
    run: dict[str, Any]
    schema: Any = None

    def with_schema(self, schema: Any) -> Job:
        """The same job, of a plan that was made."""
        return replace(self, schema=schema)

    def model(self) -> CorpusModel:
        """The bundle as it is here; BundleError where it is not the one the run began with."""
        model = shared_model(self.loading)
        if model.fingerprint != self.fingerprint:
            raise BundleError(
                f"{self.loading.bundle} is another bundle here than where the run was started "
                f"({model.fingerprint[:12]}, not {self.fingerprint[:12]}): copy the same one"
            )
        return model


def embed_part(job: Job, part: Part, check: Callable[[], None] = never) -> Counts:
    """Embed one part and put its files in their places, the one that says it is finished last.

    check: asked now and then; raises Halted where the part is to be left. TextError with
    on_error="fail" where a row cannot be embedded.
    """
    rows = job.source.read(part.span, job.settings.text, job.schema)
    refused = _refused(job, part, rows)
    if refused and job.settings.on_error == "fail":
        raise TextError(f"{_where(refused[0])}: to go on without such rows: --on-error skip")
    table, column, counts = _embedded(job, part, rows, check)
    name = part.output(job.settings.format)
    data = serialize(job.settings.format, table, column, job.about)
    if refused:
        job.out.write(state.refused_name(part.number), _lines(refused))
    job.out.write(name, data)
    record = {**counts._asdict(), "file": name, "bytes": data.size}
    job.out.write(state.done_name(part.number), json.dumps(record).encode())
    return counts


def _embedded(
    job: Job, part: Part, rows: Rows, check: Callable[[], None]
) -> tuple[Any, Any, Counts]:
    """The table to write, its embedding column, and the counts."""
    texts = [text for text in rows.texts if text is not None]
    try:
        vectors = job.model().vectors(texts, job.output, check)
    except InferenceError as error:
        span = part.span
        raise InferenceError(f"{span.file}, rows from {span.first}: {error}") from error
    counts = Counts(
        len(rows.texts), len(texts), len(rows.reasons), vectors.cut, int(vectors.tokens.sum())
    )
    return (*columns(job, rows, vectors.matrix), counts)


def columns(job: Job, rows: Rows, matrix: npt.NDArray[Any]) -> tuple[Any, Any]:
    """The table to write and its embedding column; matrix: (n, width), of the rows with a text."""
    missing = np.fromiter((text is None for text in rows.texts), np.bool_, len(rows.texts))
    if job.settings.on_error == "null":
        return rows.table, nullable_column(matrix, missing)
    return chosen(rows.table, ~missing), embedding_column(matrix)


def _refused(job: Job, part: Part, rows: Rows) -> list[dict[str, Any]]:
    """An entry of the side file for each row that cannot be embedded."""
    entries = []
    for i, reason in sorted(rows.reasons.items()):
        entry = {"file": part.span.file, "row": part.span.first + i, "reason": reason}
        if job.settings.key is not None:
            entry["key"] = _readable(rows.table.column(job.settings.key)[i])
        entries.append(entry)
    return entries


def _readable(value: Any) -> Any:
    """A value as Python has it; of a text that is not UTF-8 what can be read of it."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.cast(pa.binary()).as_py().decode("utf-8", "replace")


def _where(entry: dict[str, Any]) -> str:
    key = f" (key {entry['key']!r})" if "key" in entry else ""
    return f"{entry['file']}, row {entry['row']}{key} cannot be embedded, {entry['reason']}"


def _lines(entries: list[dict[str, Any]]) -> bytes:
    return "".join(to_json(e, default=str) + "\n" for e in entries).encode()
