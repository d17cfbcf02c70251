"""`edgembed bench BUNDLE`: how fast, cold and small a bundle is on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edgembed.cli.options import Commands, add_command, check_output
from edgembed.replacing import replacing


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(
        commands, "bench", "Measure latency, throughput, cold start and memory on this machine."
    )
    command.add_argument(
        "--dtype", help="int8, float32 (default: all that the bundle has, side by side)"
    )
    command.add_argument(
        "--threads", type=int, help="the most threads (default: as many as this process may use)"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="what it may take, roughly; longer is steadier (default: %(default)s)",
    )
    command.add_argument(
        "--json",
        metavar="FILE",
        help="write every figure as JSON, too; - for stdout, in place of the tables",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, say on stderr what is being measured, and print tables or JSON."""
    from edgembed.bench.run import Bench
    from edgembed.bench.show import lines

    dtypes = args.dtype.split(",") if args.dtype else ()
    bench = Bench(Path(args.bundle), dtypes, args.threads, args.seconds, _say)
    to_file = args.json not in (None, "-")
    if to_file:
        check_output(Path(args.json))
    report = bench.run()
    if to_file:
        with replacing(Path(args.json)) as stream:
            stream.write(_json(report))
    print(_json(report).decode(), end="") if args.json == "-" else print("\n".join(lines(report)))
    return 0


def _json(report: object) -> bytes:
    return (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode()


def _say(what: str) -> None:
    print(f"edgembed: measuring {what}", file=sys.stderr)
