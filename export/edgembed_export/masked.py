"""Running a bundle's masked graphs as other people's tools do: bare onnxruntime, padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from edgembed.manifest import Manifest
from edgembed.pooling import Float32, normalize, pool
from edgembed.tokenize import padded

_BATCH = 7  # odd, so that the graphs meet padding and a ragged last batch
_ERRORS_ONLY = 3


def masked_vectors(
    graph: Path, ids: Sequence[Sequence[int]], manifest: Manifest, skip: int
) -> Float32:
    """(n, dim) float32 of n texts' ids; pooling leaves `skip` leading tokens out."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    vectors = []
    for start in range(0, len(ids), _BATCH):
        batch = [np.asarray(own, np.int64) for own in ids[start : start + _BATCH]]
        (hidden,) = session.run(None, padded(batch))
        vectors += [
            pool(hidden[row, : len(own)], manifest.pooling, skip) for row, own in enumerate(batch)
        ]
    stacked = np.stack(vectors)
    return normalize(stacked) if manifest.normalize else stacked
