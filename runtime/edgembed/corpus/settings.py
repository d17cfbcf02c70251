"""What a user asks of a run, and what a worker needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgembed.errors import ArgumentError
from edgembed.outputs import check_positive
from edgembed.precision import Precision, check_precision

OnError = Literal["skip", "null", "fail"]
Format = Literal["parquet", "jsonl", "csv"]
EMBEDDING = "embedding"
# Rows of one part, at most: a file of some tens of megabytes, a fraction of a minute of one core.
PART_ROWS = 20_000


@dataclass(frozen=True)
class Settings:
    """What decides the output, beside the bundle and the input.

    text: the column to embed. key: a column that names a row in the side file of refused rows.
    prompt, prompt_name, precision, truncate_dim: as in Embedder.encode. on_error: rows that cannot
    be embedded are left out ("skip"), kept with a null for an embedding ("null"), or end the run
    ("fail"). format: of the output. part_rows: rows of one part (None: chosen by size).
    """

    text: str = "text"
    key: str | None = None
    prompt: str | None = None
    prompt_name: str | None = None
    precision: Precision = "float32"
    truncate_dim: int | None = None
    on_error: OnError = "skip"
    format: Format = "parquet"
    part_rows: int | None = None

    def __post_init__(self) -> None:
        """ArgumentError for a value that is out of its range."""
        check_precision(self.precision)
        for name, value, kind in (
            ("on_error", self.on_error, OnError),
            ("format", self.format, Format),
        ):
            if value not in get_args(kind):
                raise ArgumentError(f"{name} {value!r} is none of {', '.join(get_args(kind))}")
        for name in ("truncate_dim", "part_rows"):
            if (given := getattr(self, name)) is not None:
                check_positive(name, given)
