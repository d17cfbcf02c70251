"""How to load a bundle in other people's tools: the code that the card shows, and the tests run.

Every snippet leaves the vectors of the same two texts, under the model's default prompt, in
`vectors`. They are for a bundle at path/to/bundle, relative to where they run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Template

from edgembed.manifest import Manifest

TEXTS = ("Привет, мир", "Hello, world")
PATH = PurePosixPath("path/to/bundle")


@dataclass(frozen=True)
class Snippet:
    """One tool's code. language: of the code block, "python" or "js"."""

    tool: str
    language: str
    code: str


def snippets(manifest: Manifest) -> list[Snippet]:
    """A snippet for each tool, for the manifest's default dtype."""
    values = _values(manifest)
    return [
        Snippet(tool, "js" if tool == "transformers.js" else "python", _fill(template, values))
        for tool, template in _TEMPLATES.items()
    ]


def _values(manifest: Manifest) -> dict[str, str]:
    graph = PurePosixPath(manifest.dtypes[manifest.default_dtype].masked_graph)
    # Prompts that are left out of the mean need more than putting them before the text.
    default = manifest.prompts.resolve(None, None) if manifest.include_prompt else ""
    mean = manifest.pooling == "mean"
    return {
        "bundle": str(PATH),
        "parent": str(PATH.parent),
        "name": PATH.name,
        "model": json.dumps(f"{manifest.model.id} ({manifest.default_dtype})", ensure_ascii=False),
        "graph": str(graph),
        "folder": str(graph.parent),
        "file": graph.name,
        "dimension": str(manifest.dimension),
        "length": str(manifest.max_seq_length),
        "own_texts": json.dumps(TEXTS, ensure_ascii=False),
        "own_prompt": ', prompt=""' if manifest.prompts.needs_a_choice else "",
        "texts": json.dumps([default + text for text in TEXTS], ensure_ascii=False),
        "js_dtype": "q8" if manifest.default_dtype == "int8" else "fp32",
        "js_pooling": manifest.pooling,
        "js_normalize": str(manifest.normalize).lower(),
        "normalize": str(manifest.normalize),
        "pooling": "MEAN" if mean else "CLS",
        "torch_pool": _TORCH_MEAN if mean else "vectors = hidden[:, 0]",
        "numpy_pool": _NUMPY_MEAN if mean else "vectors = hidden[:, 0]",
        "torch_unit": _TORCH_UNIT if manifest.normalize else "",
        "numpy_unit": _NUMPY_UNIT if manifest.normalize else "",
    }


def _fill(template: str, values: Mapping[str, str]) -> str:
    return Template(template).substitute(values).strip() + "\n"


_TORCH_MEAN = """mask = inputs["attention_mask"].unsqueeze(-1)
vectors = (hidden * mask).sum(1) / mask.sum(1)"""
_NUMPY_MEAN = """vectors = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)"""
_TORCH_UNIT = "vectors = vectors / vectors.norm(dim=1, keepdim=True)"
_NUMPY_UNIT = "vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)"

_TEMPLATES = {
    "edgembed": """
from edgembed import Embedder

model = Embedder("$bundle")
vectors = model.encode($own_texts$own_prompt)
""",
    "sentence-transformers": """
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("$bundle", backend="onnx", model_kwargs={"file_name": "$graph"})
vectors = model.encode($own_texts)
""",
    "optimum": """
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("$bundle")
model = ORTModelForFeatureExtraction.from_pretrained(
    "$bundle", subfolder="$folder", file_name="$file"
)
texts = $texts
inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
hidden = model(**inputs).last_hidden_state
$torch_pool
$torch_unit
""",
    "fastembed": """
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

TextEmbedding.add_custom_model(
    model=$model,
    pooling=PoolingType.$pooling,
    normalization=$normalize,
    dim=$dimension,
    model_file="$graph",
    sources=ModelSource(url="unused: the files are here"),
)
model = TextEmbedding($model, specific_model_path="$bundle")
vectors = list(model.embed($texts))
""",
    "transformers.js": """
import { env, pipeline } from "@huggingface/transformers";

env.localModelPath = "$parent";  // the folder that the bundle is in
env.allowRemoteModels = false;
const extractor = await pipeline("feature-extraction", "$name", { dtype: "$js_dtype" });
const options = { pooling: "$js_pooling", normalize: $js_normalize };
const vectors = (await extractor($texts, options)).tolist();
""",
    "onnxruntime": """
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("$bundle/tokenizer.json")
tokenizer.enable_truncation($length)
tokenizer.enable_padding()
session = onnxruntime.InferenceSession("$bundle/$graph")

encodings = tokenizer.encode_batch($texts)
ids = np.array([encoding.ids for encoding in encodings])
mask = np.array([encoding.attention_mask for encoding in encodings])
(hidden,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
$numpy_pool
$numpy_unit
""",
}
