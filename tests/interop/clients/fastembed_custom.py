"""python THIS REQUESTS ANSWERS: embed by fastembed, as a custom model from a local folder."""

from typing import Any

import numpy as np
from answer import answer
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType


def _embed(request: dict[str, Any]) -> Any:
    name = request["name"]
    known = {model["model"] for model in TextEmbedding.list_supported_models()}
    if name not in known:
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType.MEAN if request["pooling"] == "mean" else PoolingType.CLS,
            normalization=request["normalize"],
            sources=ModelSource(url="unused: the files are here"),
            dim=request["dimension"],
            model_file=request["graph"],
        )
    model = TextEmbedding(name, specific_model_path=request["bundle"])
    return np.stack(list(model.embed(request["texts"], batch_size=request["batch_size"])))


answer(_embed)
