"""What several test files share."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgembed import EdgembedWarning, Embedder
from edgembed.bundle import Bundle

ROOT = Path(__file__).parent.parent
DTYPES = ("int8", "float32")
BUNDLE_NAMES = ("tiny-frida", "tiny-cls", "tiny-xlmr", "minilm")


@dataclass(frozen=True)
class Answers:
    """What transformers and torch say of a model: ids, and vectors by prompt."""

    texts: list[str]
    ids: list[list[int]]
    vectors: dict[str, npt.NDArray[np.float32]]


def cosines(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Row by row cosine, in float64."""
    x, y = np.atleast_2d(np.asarray(a, np.float64)), np.atleast_2d(np.asarray(b, np.float64))
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    result: npt.NDArray[np.float64] = (x * y).sum(axis=1) / norms
    return result


def quietly(model: Embedder, texts: Any, **arguments: Any) -> Any:
    """encode without the warnings of truncation and prompts, which have tests of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgembedWarning)
        return model.encode(texts, **arguments)


def python(
    *arguments: str | Path, stdin: bytes = b"", **environment: str | None
) -> subprocess.CompletedProcess[bytes]:
    """This Python in a process of its own; a variable given as None is unset."""
    own = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=stdin,
        env={name: value for name, value in own.items() if value is not None},
        capture_output=True,
        check=False,
    )


def strict_json(raw: bytes) -> Any:
    """JSON as others read it: Python alone takes NaN and Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(raw, parse_constant=refuse)


def change_json(path: Path, **changes: Any) -> None:
    """Set some keys of a JSON file; None takes one out."""
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {name: new for name, new in value.items() if new is not None}
    path.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def public_pem(key: Any) -> bytes:
    """A public key of any kind in PEM."""
    from cryptography.hazmat.primitives import serialization as own

    raw: bytes = key.public_bytes(own.Encoding.PEM, own.PublicFormat.SubjectPublicKeyInfo)
    return raw


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A new Ed25519 private key and its public one, as files."""
    from cryptography.hazmat.primitives import serialization as own
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    raw = key.private_bytes(own.Encoding.PEM, own.PrivateFormat.PKCS8, own.NoEncryption())
    private.write_bytes(raw)
    public.write_bytes(public_pem(key.public_key()))
    return private, public


def spoil_token(bundle: Path, token_id: int, value: float = float("nan")) -> None:
    """Make the model of a tiny bundle give `value` for texts with a token, and the manifest agree.

    The number is put where the graph reads that token's embedding, so it is onnxruntime's own
    kernels that carry it on.
    """
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for weights in manifest["dtypes"].values():
        tensor = weights["tensors"]["embeddings.word_embeddings.weight"]
        data = bytearray((bundle / weights["data"]).read_bytes())
        width = 4 * tensor["shape"][1]
        start = tensor["offset"] + token_id * width
        data[start : start + width] = np.full(tensor["shape"][1], value, "<f4").tobytes()
        (bundle / weights["data"]).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        manifest["artifacts"][weights["data"]]["sha256"] = digest
    path.write_text(json.dumps(manifest), encoding="utf-8")


def parts(
    bundles: Path, dtype: str = "float32", name: str = "tiny-frida"
) -> tuple[bytes, dict[str, npt.NDArray[Any]], Path]:
    """Graph, weights by name and folder, as the engine puts them together."""
    bundle = Bundle.open(bundles / name)
    weights, contents = bundle.weights(dtype), bundle.read(dtype)
    arrays = {
        name: np.frombuffer(
            contents[weights.data], tensor.dtype, math.prod(tensor.shape), tensor.offset
        ).reshape(tensor.shape)
        for name, tensor in weights.tensors.items()
    }
    return bytes(contents[weights.graph]), arrays, (bundle.folder / weights.graph).parent
