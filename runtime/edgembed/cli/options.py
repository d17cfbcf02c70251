"""Arguments that several commands share, and how they become an Embedder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgembed.replacing import check_place

if TYPE_CHECKING:
    from edgembed import Embedder
    from edgembed.facts import BundleFacts

Commands = Any  # argparse's sub-parsers object has no public type


def add_command(
    commands: Commands, name: str, summary: str, bundle: str | None = None
) -> argparse.ArgumentParser:
    """A sub-command with the argument that all have; bundle: its nargs, "?" if it may be absent."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.add_argument(
        "bundle", metavar="BUNDLE", nargs=bundle, help="folder that edgembed-export wrote"
    )
    return command


def add_model_options(command: argparse.ArgumentParser) -> None:
    """--prompt, --dtype, --threads and --public-key."""
    command.add_argument(
        "--prompt",
        metavar="NAME_OR_TEXT",
        help="a prompt's key, its prefix, or its whole text; '' for none "
        "(default: the checkpoint's default prompt)",
    )
    command.add_argument("--dtype", help="int8 or float32 (default: the bundle's)")
    command.add_argument(
        "--threads", type=int, help="threads to use (default: as many as this process may)"
    )
    add_public_key(command)


def add_public_key(command: argparse.ArgumentParser) -> None:
    """--public-key."""
    command.add_argument(
        "--public-key",
        metavar="FILE",
        help="refuse a bundle that is not signed with the private key to this one (PEM, Ed25519)",
    )


def check_output(path: Path) -> None:
    """Whether a file may and can stand there, before the work: ArgumentError or OSError if not."""
    from edgembed.bundle import check_outside

    check_outside(path)
    check_place(path)


def load(args: argparse.Namespace) -> Embedder:
    """The Embedder that BUNDLE, --dtype, --threads and --public-key ask for."""
    from edgembed import Embedder

    return Embedder(args.bundle, dtype=args.dtype, threads=args.threads, public_key=args.public_key)


def prompt_argument(model: BundleFacts, name_or_text: str | None) -> dict[str, Any]:
    """--prompt as keyword for encode: see text_asked_for.

    Says on stderr which prompt is put before the texts when it was not spelled out.
    """
    from edgembed.prompts import text_asked_for

    if name_or_text is None:
        if model.default_prompt_name:
            text = model.prompts[model.default_prompt_name]
            print(f"edgembed: default prompt {text!r} (--prompt '' for none)", file=sys.stderr)
        return {}
    return {"prompt": text_asked_for(model.prompts, name_or_text)}
