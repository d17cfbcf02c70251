"""Attacks by manifest.json: what it says of the other files, and how it is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spoiling import DATA, GRAPH, Spoil, manifest, manifest_text

_LARGE = "embeddings.word_embeddings.weight"


def _set(*path: Any, to: Any) -> Spoil:
    def change(value: dict[str, Any]) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return manifest(change)


def _tensor(**changes: Any) -> Spoil:
    return manifest(lambda value: value["dtypes"]["int8"]["tensors"][_LARGE].update(changes))


def _shaped(change: Callable[[list[int]], list[int]]) -> Spoil:
    """The large weight with as many bytes, in another shape."""

    def spoil(value: dict[str, Any]) -> None:
        tensor = value["dtypes"]["int8"]["tensors"][_LARGE]
        tensor["shape"] = change(tensor["shape"])

    return manifest(spoil)


def _artifact(name: str, **changes: Any) -> Spoil:
    entry = {"sha256": "0" * 64, "bytes": 1} | changes
    return _set("artifacts", name, to=entry)


def _head(text: str) -> Spoil:
    """Put something before all else in the object."""
    return manifest_text(lambda raw: b"{" + text.encode() + b"," + raw[1:])


_PATHS = {
    "../": "../tokenizer.json",
    "../ in the middle": "onnx/../../tokenizer.json",
    "an absolute path": "/etc/passwd",
    "a drive": "C:\\Windows\\win.ini",
    "a NUL": "tokenizer.json\0.txt",
    "a terminal's commands": "\x1b[2Jtokenizer.json",
    "a text that runs from right to left": "\u202enosj.rezinekot",
}

ATTACKS: dict[str, tuple[Spoil, str]] = {
    **{f"artifact by {k}": (_artifact(v), "artifacts has an entry") for k, v in _PATHS.items()},
    **{
        f"{field} by {k}": (_set("dtypes", "int8", field, to=v), field)
        for field in ("graph", "data")
        for k, v in _PATHS.items()
    },
    **{f"tokenizer by {k}": (_set("tokenizer", to=v), "tokenizer") for k, v in _PATHS.items()},
    **{f"vocabulary by {k}": (_set("vocabulary", to=v), "vocabulary") for k, v in _PATHS.items()},
    "JSON 500,000 deep": (manifest_text(lambda _: b"[" * 500_000), "not valid JSON"),
    "objects 100,000 deep": (_head('"x":' + '{"x":' * 100_000 + "1" + "}" * 100_000), "valid JSON"),
    "a megabyte of small objects": (_set("canaries", to=[{"": 0}] * 110_000), "vectors is missing"),
    "a number of 5,000 digits": (_head('"x":' + "9" * 5000), "not valid JSON|format"),
    "a key twice": (_head('"tokenizer":"x"'), "twice"),
    "a lone surrogate": (_head('"x":"\\ud800"'), "not valid JSON"),
    "not UTF-8": (manifest_text(lambda raw: raw.replace(b"bundle", b"\xff\xfe")), "not valid JSON"),
    "a size of 2^60": (_artifact(DATA, bytes=2**60), "bytes"),
    "a negative size": (_artifact(DATA, bytes=-1), "bytes"),
    "a size that is text": (_artifact(DATA, bytes="79872"), "bytes"),
    "NaN for a size": (_artifact(DATA, bytes=float("nan")), "bytes"),
    "a weight beyond the end": (_tensor(offset=4096 * 28), "beyond the end"),
    "a weight of 2^60 bytes": (_tensor(shape=[2**31, 2**29]), "beyond the end"),
    "a weight on top of another": (_tensor(offset=0), "on top of|beyond"),
    "a weight that is not aligned": (_tensor(offset=28_674), "aligned"),
    "a weight of objects": (_tensor(dtype="object"), "dtype"),
    "a negative shape": (_shaped(lambda own: [-size for size in own]), "shape"),
    "a dimension of 2^40": (_set("dimension", to=2**40), "dimension"),
    "a length of 2^40": (_set("max_seq_length", to=2**40), "max_seq_length"),
    "no format": (_set("format", to="other"), "format"),
    "a later version": (_set("format_version", to=2), "upgrade"),
    "lists for objects": (_set("dtypes", to=[]), "dtypes"),
    "numbers for texts": (_set("prompts", to={"query": 1}), "prompts"),
}
_ONE_BYTE = {"dtype": "int8", "shape": [1], "offset": 28_000}
_AGREE = "UnsafeArtifactError"
_LARGE_FILES = {
    "a graph of 17 MB": (GRAPH, 17),
    "a tokenizer.json of 25 MB": ("tokenizer.json", 25),
    "a vocab.txt of 17 MB": ("vocab.txt", 17),
}
ATTACKS |= {
    what: (_artifact(name, bytes=size * 2**20), f"gives {name} more than")
    for what, (name, size) in _LARGE_FILES.items()
}
LIES: dict[str, tuple[Spoil, str, str]] = {
    "a dtype that the graph does not say": (_tensor(dtype="int32"), _AGREE, "disagree about"),
    "a smaller dtype than the graph says": (_tensor(dtype="int8"), _AGREE, "disagree about"),
    "a shape that the graph does not say": (
        _shaped(lambda own: own[::-1]), _AGREE, "disagree about",
    ),
    "a weight less": (
        manifest(lambda value: value["dtypes"]["int8"]["tensors"].pop(_LARGE)), _AGREE, "disagree",
    ),
    "a weight more": (
        _set("dtypes", "int8", "tensors", "x", to=_ONE_BYTE), _AGREE, "has no weight 'x'",
    ),
    "another graph": (_set("dtypes", "int8", "graph", to="onnx/model_nomask.onnx"), _AGREE, ""),
    "another file for a graph": (
        _set("dtypes", "int8", "graph", to="README.md"), _AGREE, "no graph that",
    ),
    "a graph that takes a mask": (
        _set("dtypes", "int8", "graph", to="onnx/model_quantized.onnx"), _AGREE, "must take",
    ),
    "another dimension": (
        manifest(lambda value: value.update(dimension=47, canaries=[], ranges={})),
        _AGREE, "dimension 47",
    ),
    "another SHA-256": (_artifact(GRAPH, bytes=84_186), "IntegrityError", GRAPH),
    "another size": (_artifact(GRAPH, bytes=84_187), "IntegrityError", "instead of 84187"),
}  # fmt: skip
