"""Spoiling a bundle, and making its manifest agree again: what a careful attacker would do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wire_writer import change_graph

GRAPH = "onnx/model_quantized_nomask.onnx"
DATA = "onnx/model_quantized.onnx_data"
Spoil = Callable[[Path], None]


def seal(bundle: Path, *names: str) -> None:
    """Give the manifest the size and SHA-256 that these files have now."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for name in names:
        raw = (bundle / name).read_bytes()
        entry = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
        manifest["artifacts"][name] = entry
    path.write_text(json.dumps(manifest, ensure_ascii=False), "utf-8")


def write(bundle: Path, name: str, raw: bytes) -> None:
    """A file of other content, which the manifest then names."""
    (bundle / name).write_bytes(raw)
    seal(bundle, name)


def model(change: Callable[[bytes], bytes]) -> Spoil:
    """An attack on the whole graph file."""
    return lambda bundle: write(bundle, GRAPH, change((bundle / GRAPH).read_bytes()))


def graph(change: Callable[[bytes], bytes]) -> Spoil:
    """An attack on the graph in it."""
    return model(lambda raw: change_graph(raw, change))


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """An attack on tokenizer.json, as an object that `change` changes."""

    def spoil(bundle: Path) -> None:
        value = json.loads((bundle / "tokenizer.json").read_bytes())
        change(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        write(bundle, "tokenizer.json", text.encode())

    return spoil


def tokenizer_text(change: Callable[[str], str]) -> Spoil:
    """An attack on tokenizer.json, as a text."""

    def spoil(bundle: Path) -> None:
        text = (bundle / "tokenizer.json").read_text("utf-8")
        write(bundle, "tokenizer.json", change(text).encode())

    return spoil


def manifest(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """An attack on manifest.json."""

    def spoil(bundle: Path) -> None:
        value = json.loads((bundle / "manifest.json").read_bytes())
        change(value)
        (bundle / "manifest.json").write_text(json.dumps(value), "utf-8")

    return spoil


def manifest_text(change: Callable[[bytes], bytes]) -> Spoil:
    """An attack on manifest.json, as bytes."""

    def spoil(bundle: Path) -> None:
        path = bundle / "manifest.json"
        path.write_bytes(change(path.read_bytes()))

    return spoil
