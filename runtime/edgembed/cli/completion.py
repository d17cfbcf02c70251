"""`edgembed completion SHELL`: a script that completes edgembed's commands and options."""

from __future__ import annotations

import argparse

from edgembed.cli.options import Commands
from edgembed.errors import MissingExtraError

_SHELLS = ("bash", "zsh", "fish")


def add(commands: Commands) -> None:
    """The command's arguments."""
    summary = "Print a completion script for a shell (extra: completion)."
    command = commands.add_parser(
        "completion",
        help=summary,
        description=summary,
        epilog='bash: eval "$(edgembed completion bash)"; zsh: put it into a file _edgembed of '
        "your fpath; fish: edgembed completion fish > ~/.config/fish/completions/edgembed.fish",
    )
    command.add_argument("shell", choices=_SHELLS, help="the shell that will read it")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script, which needs neither Python nor shtab when it completes."""
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError(
            "completion scripts are made by shtab: pip install 'edgembed[completion]'"
        ) from error
    from edgembed.cli import parser

    print(shtab.complete(parser(), args.shell))
    return 0
