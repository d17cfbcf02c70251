"""Install other people's tools, each in an environment of its own.

    python tests/interop/setup_clients.py FOLDER [CLIENT ...]

The tests do the same by themselves for the clients that they need.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from environments import Environment, SetupError, set_up  # noqa: E402  (also a script)


@dataclass(frozen=True)
class Client:
    """A tool: its script in clients/, and the environment that it runs in."""

    name: str
    script: str
    environment: Environment


# sentence-transformers' "onnx" backend is optimum, so the two share an environment. torch comes
# first and pinned: left to the resolver, pip would take the newest build with CUDA.
_TORCH = Environment(
    "torch", (("torch",), ("sentence-transformers", "optimum-onnx[onnxruntime]")), locked=True
)
_FASTEMBED = Environment("fastembed", (("fastembed==0.9.1",),))
_BARE = Environment("onnxruntime", (("onnxruntime==1.32.0", "tokenizers==0.23.3", "numpy"),))
_NODE = Environment("node", (("@huggingface/transformers@4.3.1",),), node=True)

CLIENTS = {
    client.name: client
    for client in (
        Client("sentence-transformers", "sentence_transformers_onnx.py", _TORCH),
        Client("optimum", "optimum_model.py", _TORCH),
        Client("fastembed", "fastembed_custom.py", _FASTEMBED),
        Client("transformers.js", "transformers_js.mjs", _NODE),
        Client("onnxruntime", "bare_onnxruntime.py", _BARE),
    )
}

# Those that talk to `edgembed serve`; openai and huggingface_hub are tried in tests/server.
SERVER_CLIENTS = {
    client.name: client
    for client in (
        Client(
            "langchain-openai",
            "serve_langchain.py",
            Environment("langchain-openai", (("langchain-openai==1.7.3",),)),
        ),
        Client(
            "llama-index-tei",
            "serve_llama_index.py",
            Environment(
                "llama-index-tei", (("llama-index-embeddings-text-embeddings-inference==0.6.0",),)
            ),
        ),
        Client("chroma-tei", "serve_chroma.py", Environment("chroma-tei", (("chromadb==1.5.9",),))),
    )
}
ALL = CLIENTS | SERVER_CLIENTS


def main(arguments: list[str]) -> int:
    """Set up the named clients, or all; 1 where one cannot be."""
    work, names = Path(arguments[0]), arguments[1:] or list(ALL)
    failed = 0
    for name in names:
        try:
            set_up(ALL[name].environment, work)
            print(f"{name}: ready")
        except SetupError as error:
            failed = 1
            print(error, file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
