"""`edgembed pack BUNDLE OUT --target ...`: a bundle as a Lambda function, a wheel or a program."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgembed.cli.options import Commands, add_command
from edgembed.errors import ArgumentError

if TYPE_CHECKING:
    from edgembed.bundle import Bundle
    from edgembed.pack.archive import Size

_SUMMARY = "Pack a bundle for AWS Lambda, as a wheel for pip, or as a zip with all that runs it."
_EPILOG = """lambda: OUT is a new folder with layer.zip and function.zip. wheel: OUT is a folder, in
which the wheel is put. zip: OUT is the zip's name. OUT appears whole, or stays as it was."""


def add(commands: Commands) -> None:
    """The command's arguments."""
    command = add_command(commands, "pack", _SUMMARY)
    command.epilog = _EPILOG
    command.add_argument("out", metavar="OUT", help="what is made, see below")
    command.add_argument(
        "--target", choices=("lambda", "wheel", "zip"), required=True, help="what it is for"
    )
    command.add_argument(
        "--dtype",
        metavar="DTYPES",
        help="the weights to take: int8, float32 or int8,float32 (default: the bundle's default)",
    )
    command.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="lambda, zip: the packages to take, that `pip install --target FOLDER "
        "'edgembed[serve]'` put there, for another system or Python "
        "(default: those of this command; then what they compute is compared as well)",
    )
    command.add_argument("--name", help="wheel: what import calls it (default: the model's name)")
    command.add_argument("--version", help="wheel: its version (default: 1.0.0)")
    command.add_argument(
        "--key",
        metavar="FILE",
        help="sign the packed manifest with this private key, as `edgembed sign` does (a signature "
        "of the bundle is of another manifest, and is left out)",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace what an earlier pack made"
    )
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make OUT and say what is in it."""
    from edgembed.bundle import Bundle, check_outside
    from edgembed.pack.trim import trim

    _check_options(args)
    check_outside(Path(args.out))
    dtypes = None if args.dtype is None else args.dtype.split(",")
    bundle = trim(Bundle.open(args.bundle), dtypes)
    make = {"lambda": _lambda, "wheel": _wheel, "zip": _zip}[args.target]
    sizes = make(args, bundle, _signed(args, bundle))
    if args.json:
        print(json.dumps(_facts(bundle, sizes), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(args, bundle, sizes)))
    return 0


def _check_options(args: argparse.Namespace) -> None:
    for option in ("name", "version"):
        if args.target != "wheel" and getattr(args, option) is not None:
            raise ArgumentError(f"--{option} is for --target wheel")
    if args.target == "wheel" and args.source is not None:
        raise ArgumentError("--from is not for --target wheel: pip brings edgembed and the rest")


def _signed(args: argparse.Namespace, bundle: Bundle) -> bytes | None:
    """The packed manifest's signature, where there is a key to sign it with."""
    from edgembed.signature import FILE_NAME, signature_of

    if args.key is not None:
        return signature_of(bundle.manifest.dump(), args.key)
    if (bundle.folder / FILE_NAME).exists():
        print(
            "edgembed: warning: the bundle is signed, the packed one is not: sign it with --key",
            file=sys.stderr,
        )
    return None


def _lambda(args: argparse.Namespace, bundle: Bundle, signed: bytes | None) -> dict[str, Size]:
    from edgembed.pack.aws import is_made_here, write_lambda
    from edgembed.staging import staging

    out = Path(args.out)
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        _check_overwrite(out, args.overwrite, is_made_here)
    with staging(out) as folder:
        sizes = write_lambda(folder, bundle, _packages(args), args.source is None, signed)
    return {str(out / name): size for name, size in sizes.items()}


def _wheel(args: argparse.Namespace, bundle: Bundle, signed: bytes | None) -> dict[str, Size]:
    from edgembed.pack import wheel

    package = wheel.package_name(args.name, bundle.manifest)
    version = wheel.check_version(args.version or "1.0.0")
    out = Path(args.out) / wheel.file_name(package, version)
    with _made(out.parent), _new_file(out, args.overwrite, wheel.is_made_here) as stream:
        size = wheel.write_wheel(stream, bundle, package, version, signed)
    return {str(out): size}


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder that is there; one that was not is gone again if the block ends with an error."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            path.rmdir()
        raise


def _zip(args: argparse.Namespace, bundle: Bundle, signed: bytes | None) -> dict[str, Size]:
    from tempfile import TemporaryDirectory

    from edgembed.pack.app import is_made_here, write_app

    out = Path(args.out)
    with _new_file(out, args.overwrite, is_made_here) as stream, TemporaryDirectory() as work:
        prove = args.source is None
        size = write_app(stream, bundle, _packages(args), Path(work), prove, signed)
    return {str(out): size}


def _new_file(out: Path, overwrite: bool, own: Callable[[Path], bool]) -> Any:
    """A stream whose file takes the place of `out` at the end."""
    from edgembed.replacing import replacing

    if out.is_symlink() or out.exists():
        _check_overwrite(out, overwrite, own)
    return replacing(out)


def _check_overwrite(out: Path, overwrite: bool, own: Callable[[Path], bool]) -> None:
    """ArgumentError unless what stands there may be replaced; own: whether pack made it."""
    if not overwrite:
        raise ArgumentError(f"{out} exists: name another, or add --overwrite")
    if out.is_symlink() or not own(out):
        raise ArgumentError(
            f"{out} is not (or holds more than) what an earlier pack made, and is not overwritten: "
            "name another, or move it away"
        )


def _packages(args: argparse.Namespace) -> Path:
    from edgembed.cli.slim import installed_here

    return Path(args.source) if args.source else installed_here()


def _facts(bundle: Bundle, sizes: dict[str, Size]) -> dict[str, Any]:
    dtypes = bundle.manifest.dtypes
    return {
        "files": {name: size._asdict() for name, size in sizes.items()},
        "default_dtype": bundle.manifest.default_dtype,
        "dtypes": {name: {"fingerprint": own.fingerprint} for name, own in dtypes.items()},
    }


def _lines(args: argparse.Namespace, bundle: Bundle, sizes: dict[str, Size]) -> Iterator[str]:
    for name, size in sizes.items():
        unzipped = f" ({size.unzipped / 1e6:.1f} MB unzipped)" if args.target != "wheel" else ""
        yield f"{size.zipped / 1e6:6.1f} MB{unzipped}  {name}"
    yield f"weights: {', '.join(bundle.manifest.dtypes)}"
    if args.target == "wheel":
        package = Path(next(iter(sizes))).name.partition("-")[0]
        yield f'after pip install:  Embedder.from_package("{package}")'
        return
    if args.source is None:
        yield "checked: the packages in it give the same vectors as those here, bit for bit"
    if args.target == "lambda":
        from edgembed.pack.aws import HANDLER, MOST_UNZIPPED

        spare = MOST_UNZIPPED - sum(size.unzipped for size in sizes.values())
        yield f"{spare / 1e6:.1f} MB to spare below AWS's 250 MB; handler: {HANDLER}"
    else:
        yield f"unzip it into a folder, then  python FOLDER --help  ({Path(args.out).stem})"
