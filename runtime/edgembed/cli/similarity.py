"""`edgembed similarity BUNDLE A B`: how close two texts are."""

from __future__ import annotations

import argparse

from edgembed.cli.options import Commands, add_command, add_model_options, load, prompt_argument


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(commands, "similarity", "Print the similarity of two texts.")
    command.add_argument("a", metavar="A", help="a text")
    command.add_argument("b", metavar="B", help="another text")
    add_model_options(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one number: the checkpoint's own similarity function of A and B."""
    model = load(args)
    a, b = model.encode([args.a, args.b], **prompt_argument(model, args.prompt))
    print(f"{model.similarity(a, b)[0, 0]:.4f}")
    return 0
