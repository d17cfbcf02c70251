"""What the rewriter and the quantiser did, in words: for the page, the card and the command line.

`graph` is parity.json's key of that name: a RewriteReport's data for "maskless" (what edgembed
runs) and "masked" (what other tools open).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edgembed.page.html import Html, table, tag, text

# The rewriter's patterns, and the quantiser's figures; one that has no words here goes by its name.
_PATTERNS = {
    "mask": "mask as a bias of attention",
    "no mask": "mask taken out",
    "attention": "attention as one node",
    "gelu": "activation as one node",
    "norm": "norm as one node",
    "embeddings": "embeddings folded",
    "linear": "bias and residual inside of a product",
}
_INT8 = {
    "layers": "linear layers in INT8",
    "tables": "embedding tables in INT8, one scale a row",
    "smoothed": "inputs smoothed at run time",
    "split_channels": "outlier channels split",
    "exact_units": "feed-forward units kept in float32",
    "banded": "feed-forward blocks cut in two bands",
    "pair_safe": "free of 16-bit saturation on every CPU",
    "activation_bits": "bits of an activation",
}


def left(graph: Mapping[str, Any]) -> str:
    """Operators that no pattern took in, such as "2 MatMul, 1 Softmax"; "" where there are none.

    Of the two graphs, the higher count.
    """
    found: dict[str, int] = {}
    for own in graph.values():
        for name, count in own["left"].items():
            found[name] = max(count, found.get(name, 0))
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items()))


def summary(graph: Mapping[str, Any]) -> str:
    """One line: how many layers became lean, and what was left."""
    own = graph["maskless"]
    fused = own["operators"].get("MultiHeadAttention", 0)
    layers = f"{fused} of {own['layers']} layers" if own["layers"] else f"{fused} layers"
    return f"attention fused in {layers}; left as optimum exported it: {left(graph) or 'nothing'}"


def sections(report: Mapping[str, Any]) -> Iterator[Html]:
    """The page's account of both; nothing where the report has none."""
    if graph := report.get("graph"):
        yield tag("h2", text("What was made of the graph"))
        yield tag("p", text(f"For onnxruntime's CPU kernels: {summary(graph)}. {_CORRECT}"))
        yield _matched(graph)
    if int8 := report.get("int8"):
        yield tag("h2", text("What was made of the weights"))
        rows = [[_INT8.get(k, k), _shown(v)] for k, v in int8.items() if k != "recipe"]
        yield table("INT8, as its recipe says.", ["", ""], rows)
        recipe = (f"{name} {json.dumps(value)}" for name, value in int8["recipe"].items())
        yield tag("p", text("Recipe: " + " · ".join(recipe)), css="soft")


_CORRECT = (
    "What no pattern matches runs as optimum exported it: correct, as the figures above say of "
    "these very files, and perhaps slower than it could be."
)


def _matched(graph: Mapping[str, Any]) -> Html:
    kinds = ("maskless", "masked")
    counts = [item for kind in kinds for item in graph[kind]["matched"].items()]
    names = dict.fromkeys(name for name, count in counts if count)
    rows = [
        [_PATTERNS.get(name, name), *(str(graph[k]["matched"].get(name, 0)) for k in kinds)]
        for name in names
    ]
    nodes = [str(sum(graph[kind]["operators"].values())) for kind in kinds]
    return table(
        "Places that each pattern replaced, and the nodes that the graph has now.",
        ["pattern", "without a mask", "with a mask"],
        [*rows, ["nodes", *nodes]],
    )


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
