"""A manifest and measurements to make pages and cards from, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgembed.agreement import cosines
from edgembed.manifest import Artifact, Manifest, Source, Weights
from edgembed.prompts import Prompts
from edgembed_export.parity import Compared, summary
from edgembed_export.report.measured import Measured

HOSTILE = (
    "<script>alert('x')</script> & \"кошка\" \u202eнаоборот\u202c <img src=http://a.example/b>"
)
TEXTS = (HOSTILE, "a", "Кошка сидит на окне.", "long " * 200)
DIMENSION = 16


def manifest(**changes: Any) -> Manifest:
    """A manifest like FRIDA's student's, with `changes`."""
    values: dict[str, Any] = {
        "model": Source("owner/a-model", "0123abcd" * 5, "mit", "bert"),
        "dimension": DIMENSION,
        "pooling": "mean",
        "normalize": True,
        "include_prompt": True,
        "max_seq_length": 512,
        "prompts": Prompts({"STS": "paraphrase: ", "odd": "a|b\n`c` "}, "STS"),
        "similarity_fn_name": "cosine",
        "default_dtype": "int8",
        "dtypes": {"int8": _weights("model_quantized"), "float32": _weights("model")},
        "artifacts": {"tokenizer.json": Artifact("0" * 64, 3_999_437)},
        "tools": {"edgembed": "0.1", "torch": "2.13.0+cpu"},
    }
    return Manifest(**{**values, **changes})


def _weights(name: str) -> Weights:
    graph = f"onnx/{name}.onnx"
    return Weights(f"onnx/{name}_nomask.onnx", graph, f"{graph}_data", "f" * 64, {})


def measured(count: int = 80, seed: int = 0, **more: Any) -> Measured:
    """Random vectors, INT8 further from torch than float32; `more` goes into the report."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(12, DIMENSION))
    noise = generator.normal(size=(3, count, DIMENSION))
    torch = (centres[np.arange(count) % 12] + noise[0]).astype(np.float32)
    vectors = {
        "int8": (torch + 0.03 * noise[1]).astype(np.float32),
        "float32": (torch + 1e-7 * noise[2]).astype(np.float32),
    }
    columns = {dtype: cosines(torch, own) for dtype, own in vectors.items()}
    rows = [
        Compared(
            TEXTS[index % len(TEXTS)],
            prompt,
            3 + index * index % 500,
            {dtype: float(column[index]) for dtype, column in columns.items()},
        )
        for prompt in ("", "paraphrase: ", HOSTILE)
        for index in range(count)
    ]
    report = {
        "dtypes": summary(rows, torch, vectors),
        "masked_graphs": {"int8": {"mean": 0.998765, "min": 0.987654}},
        "texts": len(rows),
        **more,
    }
    return Measured.of(report, rows, torch, vectors)


# As after a rewrite that did not match everything; "odd" is a pattern of a later version.
GRAPH = {
    "maskless": {
        "layers": 6,
        "lean": False,
        "matched": {"attention": 5, "gelu": 6, "norm": 0, "no mask": 6, "odd": 41},
        "operators": {"MultiHeadAttention": 5, "Gemm": 36, "MatMul": 2, "Softmax": 1},
        "left": {"MatMul": 2, "Softmax": 1},
    },
    "masked": {
        "layers": 6,
        "lean": False,
        "matched": {"attention": 5, "gelu": 6, "norm": 0},
        "operators": {"MultiHeadAttention": 5, "Gemm": 36, "MatMul": 2, "Softmax": 1, "Where": 3},
        "left": {"MatMul": 2, "Softmax": 1, "Where": 3},
    },
}
INT8 = {
    "layers": 36,
    "tables": 1,
    "smoothed": 12,
    "split_channels": 83,
    "exact_units": 79,
    "banded": 6,
    "pair_safe": True,
    "recipe": {"smooth": [["qkv", 0.7]], "split": 8, "rounding": "gptq"},
}
LABELLED = {
    "pairs": 1379,
    "torch": 0.82031,
    "dtypes": {
        "int8": {"spearman": 0.81987, "loss_points": 0.044},
        "float32": {"spearman": 0.82031, "loss_points": 0.0},
    },
}
