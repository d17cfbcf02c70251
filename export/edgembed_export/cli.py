"""`edgembed-export MODEL OUT`.

Exit codes: 0 a whole, verified bundle stands at OUT; otherwise OUT is as it was before: 2 wrong
arguments, 3 parity below tolerance, 1 anything else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edgembed.errors import EdgembedError
from edgembed.manifest import DTYPES
from edgembed.version import __version__
from edgembed_export.errors import ArgumentsError, ExportError
from edgembed_export.int8.recipe import ACTIVATION_BITS
from edgembed_export.parity import Tolerance


def main(argv: Sequence[str] | None = None) -> int:
    """Run one export; returns its exit code."""
    args = parser().parse_args(argv)
    try:
        return _run(args)
    except ExportError as error:
        return _fail(error, error.exit_code)
    except (EdgembedError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted, nothing was written", 130)


def parser() -> argparse.ArgumentParser:
    """The command line, for main and for the docs."""
    top = argparse.ArgumentParser(
        prog="edgembed-export",
        description="Export a sentence-transformers checkpoint to a verified edgembed bundle.",
        epilog="exit codes: 0 a verified bundle stands at OUT; 1 it could not be made; "
        "2 wrong arguments; 3 parity below tolerance. Unless 0, OUT is as it was before.",
    )
    top.add_argument("model", metavar="MODEL", help="hub id (owner/name) or folder")
    top.add_argument("out", metavar="OUT", type=Path, help="folder to write the bundle to")
    top.add_argument("--revision", help="branch, tag or commit on the hub (default: main)")
    top.add_argument(
        "--max-seq-length",
        type=int,
        help="tokens of a text that count (default: the model's, at most 512)",
    )
    top.add_argument(
        "--dtype", default="int8,float32", help="weights to write (default: %(default)s)"
    )
    _add_accuracy(top)
    top.add_argument("--overwrite", action="store_true", help="replace a bundle that is at OUT")
    top.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    top.add_argument("--version", action="version", version=f"edgembed-export {__version__}")
    return top


def _add_accuracy(top: argparse.ArgumentParser) -> None:
    """What INT8 is made with, and how close it must come."""
    top.add_argument(
        "--calibration", type=Path, metavar="FILE",
        help="texts like yours, one a line, to calibrate INT8 with (default: built-in Russian and "
        "English ones)",
    )  # fmt: skip
    top.add_argument(
        "--evaluation", type=Path, metavar="FILE",
        help="texts to measure parity on, one a line (default: built-in ones); or .tsv, .csv or "
        ".jsonl lines of two texts and a score, for Spearman beside torch's",
    )  # fmt: skip
    top.add_argument(
        "--min-cosine", type=float, default=Tolerance().int8_min,
        help="lowest cosine to torch that any text's INT8 vector may have; their mean may be a "
        "quarter as far from 1 (default: %(default)s)",
    )  # fmt: skip
    top.add_argument(
        "--activation-bits", choices=ACTIVATION_BITS, default="auto",
        help="of INT8's activations: 8 is fastest; 16 is about three times closer to torch, half "
        "as fast and as small as 8; auto is 8, and 16 for a model that is out of bounds with 8 "
        "(default: %(default)s)",
    )  # fmt: skip


def _run(args: argparse.Namespace) -> int:
    dtypes = _dtypes(args.dtype)
    if not 0 < args.min_cosine <= 1:
        raise ArgumentsError(f"--min-cosine {args.min_cosine} must be over 0 and at most 1")
    if args.max_seq_length is not None and args.max_seq_length < 3:
        raise ArgumentsError(f"--max-seq-length {args.max_seq_length} must be at least 3")
    # torch and transformers take seconds to import: --help and wrong arguments do without.
    from edgembed_export.pipeline import Request, export

    # One figure for two bounds, in the proportion of the defaults.
    tolerance = Tolerance(int8_min=args.min_cosine, int8_mean=1 - (1 - args.min_cosine) / 4)
    request = Request(
        model=args.model,
        out=args.out,
        revision=args.revision,
        max_seq_length=args.max_seq_length,
        dtypes=dtypes,
        calibration=args.calibration,
        evaluation=args.evaluation,
        tolerance=tolerance,
        activation_bits=args.activation_bits,
        overwrite=args.overwrite,
    )
    result = export(request)
    if args.json:
        print(json.dumps(asdict(result), ensure_ascii=False, indent=2, default=str))
    else:
        print(result.text())
    return 0


def _dtypes(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    if unknown := [name for name in names if name not in DTYPES]:
        raise ArgumentsError(f"--dtype {unknown[0]!r} is none of {', '.join(DTYPES)}")
    return tuple(name for name in DTYPES if name in names)


def _fail(message: object, code: int) -> int:
    print(f"edgembed-export: {message}", file=sys.stderr)
    return code
