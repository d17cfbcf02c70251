"""`edgembed sign BUNDLE`: say with a key of one's own that a bundle is as one made it."""

from __future__ import annotations

import argparse

from edgembed.cli.options import Commands, add_command


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(
        commands,
        "sign",
        "Check a bundle and sign its manifest, which names the SHA-256 of every file in it. "
        "Needs the extra [signature].",
    )
    command.add_argument(
        "--key",
        metavar="FILE",
        required=True,
        help="an Ed25519 private key in PEM: openssl genpkey -algorithm ed25519 -out FILE",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sign what is whole, and print where the signature stands."""
    from edgembed.bundle import Bundle
    from edgembed.manifest import FILE_NAME
    from edgembed.signature import sign

    bundle = Bundle.open(args.bundle)
    bundle.verify()
    print(sign(bundle.folder / FILE_NAME, args.key))
    return 0
