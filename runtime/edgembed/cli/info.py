"""`edgembed info BUNDLE`: what a bundle is, without loading the model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgembed.cli.options import Commands, add_command, add_public_key
from edgembed.jsontext import to_json

if TYPE_CHECKING:
    from edgembed.bundle import Bundle


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(commands, "info", "Describe a bundle.")
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument("--verify", action="store_true", help="check every file's SHA-256")
    add_public_key(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the manifest's facts; with --verify, only after every artifact has been hashed."""
    from edgembed.bundle import Bundle

    bundle = Bundle.open(args.bundle, args.public_key)
    if args.verify:
        bundle.verify()
    if args.json:
        print(to_json(facts(bundle), indent=2))
    else:
        print("\n".join(map(_printable, _lines(facts(bundle)))))
        if args.verify:
            print(f"verified        {len(bundle.manifest.artifacts)} files match their SHA-256")
        if args.public_key:
            print(f"signed          manifest.json is signed with the key to {args.public_key}")
    return 0


def facts(bundle: Bundle) -> dict[str, Any]:
    """What `info` shows, as JSON-ready values; sizes in bytes."""
    manifest = bundle.manifest
    return {
        "model": manifest.model.id,
        "revision": manifest.model.revision,
        "license": manifest.model.license,
        "dimension": manifest.dimension,
        "max_seq_length": manifest.max_seq_length,
        "pooling": manifest.pooling,
        "normalize": manifest.normalize,
        "similarity": manifest.similarity_fn_name,
        "prompts": dict(manifest.prompts.texts),
        "default_prompt_name": manifest.prompts.default_name,
        "default_dtype": manifest.default_dtype,
        "dtypes": {
            name: {  # parity first: it may hold anything, and is not to stand for the others
                **manifest.parity.get(name, {}),
                "bytes": sum(manifest.artifacts[f].bytes for f in (w.graph, w.data)),
                "fingerprint": w.fingerprint,
            }
            for name, w in manifest.dtypes.items()
        },
        "tools": dict(manifest.tools),
    }


def _printable(line: str) -> str:
    """A line that stays one: what a stranger's manifest says could pass for what we say of it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    for key in ("model", "revision", "license", "dimension", "max_seq_length", "pooling"):
        yield f"{key:15} {'unknown' if facts[key] is None else facts[key]}"
    for key, text in facts["prompts"].items():
        default = "  (default)" if key == facts["default_prompt_name"] else ""
        yield f"{'prompt':15} {key}: {text!r}{default}"
    for name, dtype in facts["dtypes"].items():
        default = "  (default)" if name == facts["default_dtype"] else ""
        parity = f", mean cosine to torch {dtype['mean']:.6f}" if "mean" in dtype else ""
        bits = ", 16-bit activations" if dtype.get("activation_bits", 8) > 8 else ""
        yield f"{name:15} {dtype['bytes'] / 1e6:.1f} MB{parity}{bits}{default}"
        yield f"{'  fingerprint':15} {dtype['fingerprint']}"
    yield f"{'made with':15} {', '.join(f'{k} {v}' for k, v in facts['tools'].items())}"
