"""`edgembed doctor [BUNDLE]`: what may be wrong with this machine, installation or bundle."""

from __future__ import annotations

import argparse
import json
import textwrap

from edgembed.cli.options import Commands, add_command, add_public_key


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(
        commands,
        "doctor",
        "Check versions, CPU, threads and telemetry; with BUNDLE, every file's SHA-256 and that "
        "this machine computes the exporter's vectors. Exit code 1 where something is wrong.",
        bundle="?",
    )
    command.add_argument("--json", action="store_true", help="for programs")
    add_public_key(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line a check as it is done, or everything as JSON; 1 where one is not ok."""
    from edgembed.doctor import Check, examine

    checks: list[Check] = []
    for check in examine(args.bundle, args.public_key):
        checks.append(check)
        if not args.json:
            print(_line(check), flush=True)
    ok = all(check.ok for check in checks)
    if args.json:
        report = {
            "ok": ok,
            "checks": {c.name: {"ok": c.ok, "text": c.text, **c.facts} for c in checks},
        }
        print(json.dumps(report, ensure_ascii=False, indent=2))
    return 0 if ok else 1


def _line(check: tuple[str, bool, str, object]) -> str:
    name, ok, text, _ = check
    head = f"{'ok' if ok else 'WRONG':6}{name:11}"
    return textwrap.fill(
        text, 100, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False
    )
