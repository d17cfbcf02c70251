"""The bundle's files around the weights: the hub's own conventions, and the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx_ir as ir

from edgembed import wordpiece
from edgembed.canary import Canary
from edgembed.manifest import FILE_NAME, Artifact, Manifest, Source, Weights
from edgembed.pooling import Float32
from edgembed.tensors import Tensor
from edgembed.version import __version__
from edgembed_export.checkpoint import Checkpoint
from edgembed_export.store import save

# Where each dtype's graphs and weights are; the names are those that the hub's clients look for.
LAYOUT: Mapping[str, Mapping[str, str]] = {
    "float32": {
        "graph": "onnx/model_nomask.onnx",
        "masked_graph": "onnx/model.onnx",
        "data": "onnx/model.onnx_data",
    },
    "int8": {
        "graph": "onnx/model_quantized_nomask.onnx",
        "masked_graph": "onnx/model_quantized.onnx",
        "data": "onnx/model_quantized.onnx_data",
    },
}
VOCABULARY = "vocab.txt"
_TOOLS = ("torch", "transformers", "sentence-transformers", "optimum", "optimum-onnx", "onnx",
          "onnxruntime", "tokenizers", "numpy")  # fmt: skip


# Of tokenizer_config.json: places on the exporter's disk, and leftovers of training that make
# other people's tools cut at another length than the manifest says.
_NOT_KEPT = (
    "name_or_path",
    "tokenizer_file",
    "vocab_file",
    "max_length",
    "stride",
    "truncation_strategy",
    "pad_to_multiple_of",
)


def write_weights(folder: Path, dtype: str, graphs: Mapping[str, ir.Model]) -> None:
    """A dtype's graphs ("graph" and "masked_graph"), which share one file of weights."""
    paths = {key: Path(path) for key, path in LAYOUT[dtype].items()}
    models = {paths[key].name: graph for key, graph in graphs.items()}
    save(models, folder / paths["data"].parent, paths["data"].name)


def _tensors(folder: Path, dtype: str) -> dict[str, Tensor]:
    """What is where in a dtype's data file, as the written graph says."""
    graph = ir.load(folder / LAYOUT[dtype]["graph"]).graph
    external = {
        name: value.const_value
        for name, value in sorted(graph.initializers.items())
        if isinstance(value.const_value, ir.ExternalTensor)
    }
    return {
        name: Tensor(tensor.dtype.numpy().name, tuple(tensor.shape.numpy()), tensor.offset or 0)
        for name, tensor in external.items()
    }


def write_tokenizer(folder: Path, tokenizer: Any, max_seq_length: int) -> None:
    """tokenizer.json as transformers itself uses it, without line breaks, which load slower.

    Truncation and padding are left out: the manifest's max_seq_length is what counts, and other
    people's tools set their own from tokenizer_config.json.
    """
    backend = tokenizer.backend_tokenizer
    truncation, padding = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    (folder / "tokenizer.json").write_text(backend.to_str(pretty=False), encoding="utf-8")
    _write_vocabulary(folder)
    if truncation:
        backend.enable_truncation(**truncation)
    if padding:
        backend.enable_padding(**padding)
    _write_json(folder / "special_tokens_map.json", tokenizer.special_tokens_map)
    config = {
        key: value
        for key, value in tokenizer.init_kwargs.items()
        if _is_plain(value) and key not in _NOT_KEPT
    }
    config |= {
        **tokenizer.special_tokens_map,
        "model_max_length": max_seq_length,
        "tokenizer_class": type(tokenizer).__name__,
    }
    _write_json(folder / "tokenizer_config.json", config)


def _write_vocabulary(folder: Path) -> None:
    """vocab.txt, where it and tokenizer.json make the tokenizer that tokenizer.json alone makes."""
    raw = (folder / "tokenizer.json").read_bytes()
    lines = wordpiece.lines(raw)
    if lines is None:
        return
    path = folder / VOCABULARY
    path.write_bytes(lines)
    if not wordpiece.is_same(raw, str(path)):
        path.unlink()


def write_settings(folder: Path, checkpoint: Checkpoint, dtypes: Sequence[str]) -> None:
    """config.json, modules.json and their like, as sentence-transformers reads them."""
    _write_json(folder / "config.json", {**checkpoint.config, **_browser_settings(dtypes)})
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * checkpoint.normalize
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {
            "idx": index,
            "name": str(index),
            "path": paths[kind],
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "1_Pooling" / "config.json", _pooling_config(checkpoint))
    if checkpoint.normalize:
        _write_json(folder / "2_Normalize" / "config.json", {})
    _write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": checkpoint.max_seq_length, "do_lower_case": False},
    )
    settings = {
        "prompts": dict(checkpoint.prompts.texts),
        "default_prompt_name": checkpoint.prompts.default_name,
        "similarity_fn_name": checkpoint.similarity_fn_name,
    }
    _write_json(folder / "config_sentence_transformers.json", settings)


def _browser_settings(dtypes: Sequence[str]) -> dict[str, Any]:
    """What transformers.js must be told to find weights beside a graph in a browser."""
    graphs = [Path(LAYOUT[dtype]["masked_graph"]).name for dtype in dtypes]
    return {"transformers.js_config": {"use_external_data_format": dict.fromkeys(graphs, 1)}}


def _pooling_config(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "word_embedding_dimension": checkpoint.dimension,
        "pooling_mode_cls_token": checkpoint.pooling == "cls",
        "pooling_mode_mean_tokens": checkpoint.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": False,
        "include_prompt": checkpoint.include_prompt,
    }


def write_manifest(
    folder: Path,
    checkpoint: Checkpoint,
    dtypes: Sequence[str],
    canaries: Sequence[Canary] = (),
    parity: Mapping[str, Any] | None = None,
    ranges: Mapping[str, Float32] | None = None,
) -> Manifest:
    """Describe every file that is in `folder` now; returns what was written."""
    artifacts = {
        path.relative_to(folder).as_posix(): Artifact(_sha256(path), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != FILE_NAME
    }
    weights = {
        dtype: Weights(
            **LAYOUT[dtype],
            fingerprint=_fingerprint(checkpoint, dtype, artifacts),
            tensors=_tensors(folder, dtype),
        )
        for dtype in dtypes
    }
    manifest = Manifest(
        model=Source(
            checkpoint.model_id, checkpoint.revision, checkpoint.license, checkpoint.architecture
        ),
        dimension=checkpoint.dimension,
        pooling=checkpoint.pooling,
        normalize=checkpoint.normalize,
        include_prompt=checkpoint.include_prompt,
        max_seq_length=checkpoint.max_seq_length,
        prompts=checkpoint.prompts,
        similarity_fn_name=checkpoint.similarity_fn_name,
        default_dtype="int8" if "int8" in dtypes else dtypes[0],
        dtypes=weights,
        artifacts=artifacts,
        vocabulary=VOCABULARY if VOCABULARY in artifacts else None,
        canaries=tuple(canaries),
        ranges=ranges or {},
        parity=parity or {},
        tools={"edgembed": __version__, **{name: version(name) for name in _TOOLS}},
    )
    (folder / FILE_NAME).write_bytes(manifest.dump())
    return manifest


def _sha256(path: Path) -> str:
    """In pieces: weights may be larger than what is left of memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _fingerprint(checkpoint: Checkpoint, dtype: str, artifacts: Mapping[str, Artifact]) -> str:
    """SHA-256 over all that decides a vector: weights, tokenizer, pooling, prompts, dtype."""
    files = (LAYOUT[dtype]["graph"], LAYOUT[dtype]["data"], "tokenizer.json")
    parts = {
        "dtype": dtype,
        "files": [artifacts[name].sha256 for name in files],
        "pooling": checkpoint.pooling,
        "include_prompt": checkpoint.include_prompt,
        "normalize": checkpoint.normalize,
        # Empty ones come and go with the version of sentence-transformers that saved a model.
        "prompts": {name: text for name, text in checkpoint.prompts.texts.items() if text},
        "default_prompt_name": checkpoint.prompts.default_name,
        "max_seq_length": checkpoint.max_seq_length,
    }
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=isinstance(value, dict))
    path.write_text(text + "\n", encoding="utf-8")
