"""python THIS REQUESTS ANSWERS: embed by optimum's ORTModelForFeatureExtraction."""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from answer import answer, batches, pooled
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer


def _embed(request: dict[str, Any]) -> Any:
    bundle, graph = request["bundle"], PurePosixPath(request["graph"])
    tokenizer = AutoTokenizer.from_pretrained(bundle, local_files_only=True)
    model = ORTModelForFeatureExtraction.from_pretrained(
        bundle, subfolder=str(graph.parent), file_name=graph.name, local_files_only=True
    )
    vectors = []
    for texts in batches(request):
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
        hidden = model(**inputs).last_hidden_state
        vectors.append(pooled(request, hidden, inputs["attention_mask"]))
    return np.concatenate(vectors)


answer(_embed)
