"""`edgembed encode BUNDLE [FILE|-]`: texts in, vectors out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgembed.cli.inputs import Record, read_records
from edgembed.cli.options import (
    Commands,
    add_command,
    add_model_options,
    check_output,
    load,
    prompt_argument,
)
from edgembed.cli.outputs import FORMATS, check, write
from edgembed.errors import ArgumentError, EdgembedError, InferenceError, TextError
from edgembed.replacing import replacing

if TYPE_CHECKING:
    from edgembed import Embedder
    from edgembed.cli.partial import Partial

# Texts whose vectors are not yet in OUT.partial, at most: what a kill may cost.
_AT_ONCE = 64


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
    command.add_argument(
        "--resume",
        action="store_true",
        help="keep finished vectors in OUT.partial, and go on from them if this command was "
        "stopped before",
    )
    command.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out lines that cannot be embedded, and name each on stderr (default: the "
        "first ends the command)",
    )
    add_model_options(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embed the whole input; OUT appears whole or, on any error, not at all."""
    format_ = _format(args)
    to_file = args.output not in (None, "-")
    if args.resume and not to_file:
        raise ArgumentError("--resume needs an output file: name one with -o")
    if args.resume and args.skip_bad:
        raise ArgumentError(
            "--resume keeps vectors by their place in the input: take the bad lines out first, "
            "--skip-bad is not for it"
        )
    told = _left_out if args.skip_bad else None
    records = read_records(args.file, args.field, told)
    check(format_, records)
    if to_file:
        check_output(Path(args.output))
    model = load(args)
    prompt = prompt_argument(model, args.prompt)
    if args.resume:
        partial = _resume(model, records, prompt, args)
        partial.publish(lambda stream, vectors: write(format_, stream, records, vectors))
        return 0
    records, vectors = _embed(model, records, prompt, args)
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


def _left_out(line: int, error: EdgembedError) -> None:
    print(f"edgembed: line {line} is left out: {error}", file=sys.stderr)


def _embed(
    model: Embedder, records: list[Record], prompt: dict[str, Any], args: argparse.Namespace
) -> tuple[list[Record], Any]:
    """The records that have a vector, and these."""
    bad: set[int] = set()

    def leave_out(index: int, error: EdgembedError) -> None:
        bad.add(index)
        _left_out(records[index].line, error)

    texts = [record.text for record in records]
    told = leave_out if args.skip_bad else None
    with _naming_lines(records, args.file):
        vectors = model.encode(texts, show_progress_bar=_shows_bar(), on_error=told, **prompt)
    return [record for index, record in enumerate(records) if index not in bad], vectors


@contextmanager
def _naming_lines(records: list[Record], source: str, first: int = 0) -> Iterator[None]:
    """Errors of texts name their lines; the texts are those of the records from `first` on."""
    try:
        yield
    except (TextError, InferenceError) as error:
        lines = ", ".join(str(records[first + i].line) for i in error.indices[:10])
        raise type(error)(f"{source}, line {lines}: {error}", error.indices) from error


def _resume(
    model: Embedder, records: list[Record], prompt: dict[str, Any], args: argparse.Namespace
) -> Partial:
    """Embed what an earlier process of the same run has not."""
    from edgembed.cli.partial import Partial, digest
    from edgembed.progress import progress
    from edgembed.texts import as_texts

    with _naming_lines(records, args.file):  # before any vector is kept
        texts, _ = as_texts([record.text for record in records], {})
    run = {"fingerprint": model.fingerprint, "prompt": prompt, "texts": digest(texts)}
    partial = Partial(Path(args.output), run, model.dimension)
    if done := partial.done:
        print(f"edgembed: {done} of {len(texts)} vectors are there already", file=sys.stderr)
    vectors = model.encode_iter(texts[done:], batch_size=_AT_ONCE, **prompt)
    with _naming_lines(records, args.file, first=done):
        partial.extend(progress(vectors, len(texts) - done, _shows_bar()))
    return partial


def _shows_bar() -> bool:
    return sys.stderr.isatty() and find_spec("tqdm") is not None
