"""`edgembed corpus BUNDLE IN OUT`: a dataset in, the same rows with their embeddings out."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edgembed.cli.options import Commands, add_command, add_model_options, prompt_argument
from edgembed.errors import MissingExtraError

if TYPE_CHECKING:
    from edgembed.corpus.estimate import Estimate
    from edgembed.corpus.run import Report
    from edgembed.corpus.settings import Settings

_ON_ERROR = ("skip", "null", "fail")
_FORMATS = ("parquet", "jsonl", "csv")
_PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
_INDEXES = ("lancedb", "qdrant", "usearch", "faiss")
_EPILOG = (
    "Stopped at any moment, the same command goes on from what is finished. OUT/_edgembed holds "
    "the manifest and refused.jsonl, the rows that could not be embedded, each with its reason."
)


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(commands, "corpus", "Embed a dataset, on this machine or on a cluster.")
    command.epilog = _EPILOG
    command.add_argument(
        "source", metavar="IN", help="Parquet, JSONL or CSV: a file or a folder, or its URI (s3://)"
    )
    command.add_argument("out", metavar="OUT", help="a new folder, or the one of a stopped run")
    command.add_argument("--text", default="text", metavar="COLUMN", help="default: %(default)s")
    command.add_argument(
        "--key", metavar="COLUMN", help="names a row among the refused, beside its file and number"
    )
    command.add_argument(
        "--on-error",
        choices=_ON_ERROR,
        default="skip",
        help="rows that cannot be embedded (null, not text, lone surrogates): leave them out, keep "
        "them without an embedding, or stop (default: %(default)s)",
    )
    command.add_argument(
        "--precision", choices=_PRECISIONS, default="float32", help="default: %(default)s"
    )
    command.add_argument("--truncate-dim", type=int, metavar="N", help="keep N dimensions")
    command.add_argument(
        "--format", choices=_FORMATS, default="parquet", help="of OUT (default: %(default)s)"
    )
    command.add_argument(
        "--part-rows", type=int, metavar="N", help="rows of one file of OUT (default: by size)"
    )
    command.add_argument(
        "--cache",
        type=int,
        default=0,
        metavar="N",
        help="texts remembered across parts; within a part a repeated text is embedded once anyway "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster to run on; auto: the one started here"
    )
    command.add_argument(
        "--to", choices=_INDEXES, help="then write a searchable index to OUT/_index"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="say what it would take, and write nothing"
    )
    command.add_argument("--json", action="store_true", help="print the result for programs")
    add_model_options(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embed everything that is not yet, and say what became of the rows."""
    settings = _settings(args)
    if args.dry_run:
        _print(args, estimated := _estimate(args, settings), _forecast(estimated))
        return 0
    if find_spec("daft") is None:
        raise MissingExtraError("edgembed corpus needs: pip install 'edgembed[corpus]'")
    from edgembed.corpus import embed_corpus

    report = embed_corpus(
        args.bundle,
        args.source,
        args.out,
        settings,
        dtype=args.dtype,
        threads=args.threads,
        ray=args.ray,
        cache=args.cache,
        show=sys.stderr.isatty(),
    )
    _print(args, report, _summary(report))
    if args.to:
        from edgembed.corpus.indexes import write_index

        print(f"edgembed: {args.to} index in {write_index(args.to, args.out)}", file=sys.stderr)
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    from pathlib import Path

    from edgembed.bundle import Bundle
    from edgembed.corpus.model import shared_model
    from edgembed.corpus.settings import Settings

    Bundle.open(args.bundle, args.public_key)  # only to refuse what is not signed with that key
    folder = str(Path(args.bundle).absolute())
    prompt = prompt_argument(shared_model(folder, args.dtype, "warn", args.cache), args.prompt)
    names = ("text", "key", "precision", "truncate_dim", "on_error", "format", "part_rows")
    return Settings(**{name: getattr(args, name) for name in names}, **prompt)


def _estimate(args: argparse.Namespace, settings: Settings) -> Estimate:
    from edgembed.corpus.estimate import estimate
    from edgembed.corpus.plan import make
    from edgembed.corpus.run import prepare
    from edgembed.threads import available_threads

    workers = args.threads or available_threads()
    job = prepare(args.bundle, args.source, args.out, settings, args.dtype, 0, False)
    plan = make(job.source, settings, workers)
    return estimate(job.with_schema(plan.schema), plan, workers)


def _print(args: argparse.Namespace, result: Any, text: str) -> None:
    print(json.dumps(result.to_json(), ensure_ascii=False) if args.json else text)


def _summary(report: Report) -> str:
    totals = report.totals
    lines = [
        f"{totals.rows:,} rows = {totals.embedded:,} embedded + {totals.refused:,} refused, "
        f"in {report.parts:,} parts; {totals.tokens:,} tokens"
    ]
    if report.before:
        lines.append(f"{report.before:,} rows were finished before")
    if totals.cut:
        lines.append(f"{totals.cut:,} texts were longer than the model reads, and were cut")
    if totals.refused:
        lines.append(f"refused rows: {report.refused}")
    return "\n".join(lines)


def _forecast(found: Estimate) -> str:
    return (
        f"{found.rows:,} rows in {found.parts:,} parts; from {found.sampled:,} of them: "
        f"{found.tokens:,} tokens, {_duration(found.seconds)} on this machine, "
        f"{found.bytes / 1e9:,.3f} GB, {found.refused:,} rows refused"
    )


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{minutes:.1f} minutes" if minutes >= 1 else f"{seconds:.1f} seconds"
