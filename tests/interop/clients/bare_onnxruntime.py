"""python THIS REQUESTS ANSWERS: embed by onnxruntime and tokenizers alone, in padded batches."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from answer import answer, batches, pooled
from tokenizers import Tokenizer


def _embed(request: dict[str, Any]) -> Any:
    bundle = Path(request["bundle"])
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_truncation(request["max_seq_length"])
    tokenizer.enable_padding()
    session = onnxruntime.InferenceSession(bundle / request["graph"])
    vectors = []
    for texts in batches(request):
        encodings = tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        (hidden,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        vectors.append(pooled(request, hidden, mask))
    return np.concatenate(vectors)


answer(_embed)
