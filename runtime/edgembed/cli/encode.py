"""`edgembed encode BUNDLE [FILE|-]`: texts in, vectors out."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgembed.cli.inputs import Record, read_records
from edgembed.cli.options import Commands, add_command, add_model_options, load, prompt_argument
from edgembed.cli.outputs import FORMATS, replacing, write
from edgembed.errors import ArgumentError, TextError

if TYPE_CHECKING:
    from edgembed import Embedder


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(commands, "encode", "Embed texts, one a line (or JSONL with --field).")
    command.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="input file, - for stdin (default)"
    )
    command.add_argument("--field", help="the input is JSONL, and this field holds the text")
    command.add_argument(
        "--format",
        choices=FORMATS,
        help="default: by OUT's ending, jsonl on stdout. npy is an (n, dim) float32 array; jsonl "
        "and parquet keep each text (or the input's fields) beside its embedding",
    )
    command.add_argument("-o", "--output", metavar="OUT", help="output file (default: stdout)")
    add_model_options(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embed the whole input; OUT appears whole or, on any error, not at all."""
    format_ = _format(args)
    records = read_records(args.file, args.field)
    model = load(args)
    vectors = _embed(model, records, prompt_argument(model, args.prompt), args.file)
    to_file = args.output not in (None, "-")
    with replacing(Path(args.output)) if to_file else nullcontext(sys.stdout.buffer) as stream:
        write(format_, stream, records, vectors)
    return 0


def _format(args: argparse.Namespace) -> str:
    if args.format:
        chosen: str = args.format
    elif args.output in (None, "-"):
        chosen = "jsonl"
    else:
        chosen = args.output.rpartition(".")[2].lower()
        if chosen not in FORMATS:
            raise ArgumentError(
                f"{args.output!r} does not end in {', '.join(FORMATS)}: say which with --format"
            )
    if chosen != "jsonl" and args.output in (None, "-") and sys.stdout.isatty():
        raise ArgumentError(f"{chosen} is not for a terminal: name a file with -o")
    return chosen


def _embed(model: Embedder, records: list[Record], prompt: dict[str, Any], source: str) -> Any:
    try:
        return model.encode(
            [record.text for record in records],
            show_progress_bar=sys.stderr.isatty() and find_spec("tqdm") is not None,
            **prompt,
        )
    except TextError as error:
        lines = ", ".join(str(records[i].line) for i in error.indices[:10])
        raise TextError(f"{source}, line {lines}: {error}", error.indices) from error
