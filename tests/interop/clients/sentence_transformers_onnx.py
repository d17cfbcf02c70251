"""python THIS REQUESTS ANSWERS: embed by sentence-transformers with backend="onnx"."""

from typing import Any

from answer import answer
from sentence_transformers import SentenceTransformer


def _embed(request: dict[str, Any]) -> Any:
    model = SentenceTransformer(
        request["bundle"],
        backend="onnx",
        device="cpu",
        local_files_only=True,
        model_kwargs={"file_name": request["graph"]},
    )
    options = {"prompt": "", "batch_size": request["batch_size"], "show_progress_bar": False}
    return model.encode(request["texts"], **options)


answer(_embed)
