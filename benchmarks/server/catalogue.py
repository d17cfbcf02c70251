"""The servers that are compared, as their documentation starts them: nothing is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_TORCH = "torch==2.13.0"
_PLAIN = (
    _TORCH, "transformers==4.57.6", "sentence-transformers==5.7.0",
    "fastapi==0.165.0", "uvicorn[standard]==0.54.0",
)  # fmt: skip
INFINITY = (_TORCH, "infinity-emb[server,torch,optimum]==0.0.78")
# What its script `infinity_emb` does.
_INFINITY_COMMAND = (
    "-c", "from infinity_emb.cli import cli; cli()", "v2", "--device", "cpu", "--host", "127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """A server; {bundle}, {checkpoint} and {port} are filled in where it is started.

    command: of the venv's Python. folder: where it is started, {onnx} or here.
    lowest_cosine: of its vectors with torch's, or it does other work.
    """

    name: str
    venv: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    path: str
    lowest_cosine: float
    variables: Mapping[str, str] = field(default_factory=dict)
    in_onnx_folder: bool = False


def _edgembed(dtype: str, lowest_cosine: float) -> Peer:
    command = ("-m", "edgembed", "serve", "{bundle}", "--dtype", dtype, "--port", "{port}")
    return Peer(
        f"edgembed {dtype}", "edgembed", ("{repo}[serve]",), command, "/v1/embeddings",
        lowest_cosine,
    )  # fmt: skip


PEERS = (
    _edgembed("int8", 0.99),
    _edgembed("float32", 0.99999),
    Peer(
        "infinity, torch", "infinity", INFINITY,
        (*_INFINITY_COMMAND, "--engine", "torch", "--model-id", "{checkpoint}", "--port", "{port}"),
        "/embeddings", 0.99999,
    ),
    # Its optimum engine finds a local file only in the folder that it is started in, and takes CLS
    # for the pooling unless told.
    Peer(
        "infinity, optimum", "infinity", INFINITY,
        (
            *_INFINITY_COMMAND, "--engine", "optimum", "--pooling-method", "mean",
            "--model-id", ".", "--port", "{port}",
        ),
        "/embeddings", 0.99999, in_onnx_folder=True,
    ),
    Peer(
        "FastAPI + sentence-transformers", "plain", _PLAIN,
        ("-m", "uvicorn", "plain_app:app", "--port", "{port}"),
        "/v1/embeddings", 0.99999, {"MODEL": "{checkpoint}"},
    ),
)  # fmt: skip
