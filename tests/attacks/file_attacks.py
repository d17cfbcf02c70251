"""Attacks by what stands in the folder: links, pipes, what is missing and what is too much."""

from __future__ import annotations

import os
from pathlib import Path

from spoiling import DATA, GRAPH, Spoil


def _elsewhere(bundle: Path, name: str) -> Path:
    """The file, moved out of the bundle."""
    path = bundle.with_name("elsewhere")
    (bundle / name).rename(path)
    return path


def _symlink(name: str) -> Spoil:
    return lambda bundle: (bundle / name).symlink_to(_elsewhere(bundle, name))


def _hard_link(name: str) -> Spoil:
    return lambda bundle: os.link(bundle / name, bundle.with_name("other name"))


def _pipe(name: str) -> Spoil:
    def spoil(bundle: Path) -> None:
        (bundle / name).unlink()
        os.mkfifo(bundle / name)

    return spoil


def _folder(name: str) -> Spoil:
    def spoil(bundle: Path) -> None:
        (bundle / name).unlink()
        (bundle / name).mkdir()

    return spoil


def _extra(name: str) -> Spoil:
    def spoil(bundle: Path) -> None:
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_bytes(b"")

    return spoil


def _swap(bundle: Path) -> None:
    one, other, spare = bundle / GRAPH, bundle / "onnx/model_quantized.onnx", bundle / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def _sparse(name: str, size: int) -> Spoil:
    """Made larger, of nothing, so that it takes no room on the disk."""
    return lambda bundle: os.truncate(bundle / name, size)


_ONNX, _TOKENIZERS = ("onnxruntime",), ("tokenizers",)
_FILES = {GRAPH: _ONNX, DATA: _ONNX, "tokenizer.json": _TOKENIZERS, "config.json": ()}

ATTACKS: dict[str, tuple[Spoil, str, str, tuple[str, ...]]] = {
    **{
        f"{what} {name}": (make(name), error, name.replace(".", r"\.") + said, unseen)
        for name, unseen in _FILES.items()
        for what, make, error, said in [
            ("symlink", _symlink, "IntegrityError", " is not a plain file"),
            ("hard link", _hard_link, "IntegrityError", " has 2 names"),
            ("pipe", _pipe, "IntegrityError", " is not a plain file"),
            ("folder", _folder, "IntegrityError", " is not a plain file"),
            ("missing", lambda n: lambda b: (b / n).unlink(), "BundleNotFoundError", " is missing"),
            ("a terabyte of", lambda n: _sparse(n, 2**40), "IntegrityError", " has 1099511627776"),
        ]
    },
    "symlinked folder": (_symlink("onnx"), "IntegrityError", "onnx is a link", ()),
    "symlinked manifest": (
        _symlink("manifest.json"), "IntegrityError", "is not a plain file",
        ("onnxruntime", "tokenizers"),
    ),
    "huge manifest": (
        _sparse("manifest.json", 2**30), "IntegrityError", r"manifest\.json is over",
        ("onnxruntime", "tokenizers"),
    ),
    "swapped graphs": (_swap, "IntegrityError", r"onnx/model_quantized.*\.onnx", _ONNX),
    **{
        f"extra {name}": (_extra(name), "IntegrityError", "not in its manifest", ())
        for name in ("pytorch_model.bin", "onnx/model.safetensors", "2_Dense/config.json")
    },
}  # fmt: skip
