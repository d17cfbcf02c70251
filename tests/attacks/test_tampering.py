"""A bundle that is not byte for byte the exported one is refused at load, and the file is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from edgembed import Embedder
from edgembed.bundle import Bundle
from edgembed.errors import BundleError

_INT8 = ("onnx/model_quantized_nomask.onnx", "onnx/model_quantized.onnx_data")
_FLOAT32 = ("onnx/model_nomask.onnx", "onnx/model.onnx_data")
_ONLY_LOADED = {_INT8[1]: "int8", _FLOAT32[1]: "float32"}  # hashed where they are loaded


def _flip(path: Path, random: Random) -> None:
    """Change one bit."""
    raw = bytearray(path.read_bytes())
    raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    path.write_bytes(raw)


def _truncate(path: Path, random: Random) -> None:
    os.truncate(path, random.randrange(path.stat().st_size))


def _lengthen(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes() + random.randbytes(random.randrange(1, 5000)))


def _remove(path: Path, _: Random) -> None:
    path.unlink()


def _swap(path: Path, random: Random) -> None:
    """Another file of the bundle in its place."""
    whole = path.read_bytes()
    folder = path.parents[len(path.parts) - 1 - path.parts.index("bundle") - 1]
    others = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.read_bytes() != whole]
    shutil.copyfile(random.choice(others), path)


CHANGES = {f.__name__.strip("_"): f for f in (_flip, _truncate, _lengthen, _remove, _swap)}


def test_changed_files(
    bundles: Path,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    """Any change of any file: the manifest's own are what signatures are for, below."""
    bundle = Path(shutil.copytree(bundles / "tiny-frida", tmp_path / "bundle"))
    names = sorted(Bundle.open(bundle).manifest.artifacts)
    count = amount(20, 1_000)
    for what, change in CHANGES.items():
        for number in range(count):
            random = Random(number)
            name = random.choice(names)
            path, whole = bundle / name, (bundle / name).read_bytes()
            change(path, random)
            dtype = _ONLY_LOADED.get(name, random.choice(("int8", "float32")))
            with pytest.raises(BundleError) as refused:
                Embedder(bundle, dtype, 1)
            assert name in str(refused.value), (what, number)
            path.write_bytes(whole)
    Embedder(bundle, threads=1, canaries="refuse")  # whole again
    figure(f"{count:,} each of {', '.join(CHANGES)}: all refused by the file's name")


def test_extra_files(
    bundles: Path,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    bundle = Path(shutil.copytree(bundles / "tiny-frida", tmp_path / "bundle"))
    count = amount(20, 1_000)
    for number in range(count):
        random = Random(number)
        folder = random.choice(("", "onnx/", "1_Pooling/"))
        name = f"{folder}{random.choice('abcxyz_')}{number}{random.choice(('', '.onnx', '.bin'))}"
        (bundle / name).write_bytes(random.randbytes(random.randrange(100)))
        with pytest.raises(BundleError) as refused:
            Embedder(bundle, threads=1)
        assert name in str(refused.value)
        (bundle / name).unlink()
    figure(f"{count:,} extra files: all refused by their name")


def test_a_changed_manifest_is_what_signatures_are_for(
    bundles: Path,
    tmp_path: Path,
    signing_keys: tuple[Path, Path],
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    from edgembed.signature import sign

    bundle = Path(shutil.copytree(bundles / "tiny-frida", tmp_path / "bundle"))
    private, public = signing_keys
    path = bundle / "manifest.json"
    sign(path, private)
    whole, count = path.read_bytes(), amount(50, 1_000)
    Embedder(bundle, threads=1, public_key=public)
    for number in range(count):
        _flip(path, Random(number))
        with pytest.raises(BundleError, match=r"manifest\.json is not what .* signed"):
            Embedder(bundle, threads=1, public_key=public)
        path.write_bytes(whole)
    figure(f"{count:,} flipped bits of a signed manifest.json: all refused")
