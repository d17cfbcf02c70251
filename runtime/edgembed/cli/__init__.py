"""The command line: `edgembed COMMAND ...`.

A thin shell: each command is a module with `add(commands)` for its arguments and `run(args)`,
which returns the exit code. The model code is imported inside run, so that --help is quick.

Exit codes: 0 done; 1 the bundle or the input could not be used; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import codecs
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence

from edgembed.cli import (
    bench,
    compare,
    completion,
    corpus,
    doctor,
    encode,
    info,
    pack,
    serve,
    sign,
    similarity,
    slim,
)
from edgembed.errors import ArgumentError, EdgembedError
from edgembed.version import __version__

_COMMANDS = (
    encode,
    similarity,
    compare,
    info,
    doctor,
    bench,
    serve,
    corpus,
    pack,
    sign,
    slim,
    completion,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = parser().parse_args(argv)
    warnings.showwarning = _show_warning
    _let_stdout_take_any_text()
    try:
        code: int = args.run(args)
    except ArgumentError as error:
        return _fail(error, 2)
    except (EdgembedError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line, for main and for the docs."""
    top = argparse.ArgumentParser(
        prog="edgembed", description="Sentence embeddings on a CPU, without torch."
    )
    top.add_argument("--version", action="version", version=f"edgembed {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return top


def _let_stdout_take_any_text() -> None:
    """Texts and file names that its encoding lacks come as \\u043a, which JSON reads back."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("edgembed", _escape)
        sys.stdout.reconfigure(errors="edgembed")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _fail(message: object, code: int) -> int:
    if isinstance(message, BrokenPipeError):
        # The reader has gone (| head): nothing to say, and nothing more to flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(f"edgembed: {message}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"edgembed: warning: {message}", file=sys.stderr)
