"""`edgembed slim OUT`: the least that has to be installed, copied to a folder."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgembed.cli.options import Commands

if TYPE_CHECKING:
    from edgembed.slim import SlimReport

_SUMMARY = "Copy the least installation that embeds (for a Lambda layer, an image, a zip)."


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = commands.add_parser("slim", help=_SUMMARY, description=_SUMMARY)
    command.add_argument(
        "out", metavar="OUT", help="a new folder, to be put on the path (a layer's python/, say)"
    )
    command.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="what `pip install --target FOLDER` filled, for this system or another "
        "(default: where this command is installed)",
    )
    command.add_argument(
        "--check", metavar="BUNDLE", help="then embed with it from OUT alone, and compare"
    )
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill OUT and say what was left out; with --check, only where it gives the same vectors."""
    from edgembed.bundle import Bundle, check_outside
    from edgembed.slim import check, slim

    check_outside(Path(args.out))
    prove = None
    if args.check:  # an error there is said before anything is copied
        Bundle.open(args.check)
        prove = partial(check, bundle=Path(args.check))
    source = Path(args.source) if args.source else installed_here()
    report = slim(source, Path(args.out), prove=prove)
    if args.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(report, args.check)))
    return 0


def installed_here() -> Path:
    """Where pip put the packages that this command uses."""
    from importlib.metadata import distribution

    return Path(distribution("onnxruntime").locate_file(""))  # type: ignore[arg-type]


def _lines(report: SlimReport, checked: str | None) -> Iterator[str]:
    yield f"{report.bytes / 1e6:6.1f} MB in {report.files} files stand in {report.folder}"
    for one in sorted(report.left_out, key=lambda one: -one.bytes):
        yield from textwrap.wrap(
            f"{one.bytes / 1e6:6.1f} MB left out: {one.why} ({one.what})",
            width=80,
            subsequent_indent=" " * 10,
            break_long_words=False,
            drop_whitespace=True,
        )
    if report.python is None:
        yield "no bytecode: it is for another Python. There, run  python -m compileall -q \\"
        yield f"    --invalidation-mode unchecked-hash {report.folder}"
    if checked:
        yield f"checked: {checked} gives the same vectors there, bit for bit"
