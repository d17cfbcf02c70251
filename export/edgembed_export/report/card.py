"""README.md: the bundle's model card, with the front matter that the hub reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgembed.manifest import Manifest
from edgembed.page import figures
from edgembed_export.frontmatter import front_matter
from edgembed_export.report import graphs
from edgembed_export.report.snippets import Snippet, snippets

_TAGS = ("edgembed", "sentence-transformers", "onnx", "feature-extraction", "transformers.js")
_NOTES = {
    "edgembed": "INT8 vectors here never depend on what else is in a batch; float32 is "
    '`Embedder(..., dtype="float32")`.',
    "sentence-transformers": 'Needs `sentence-transformers[onnx]`. "{graph}" may be any of the '
    "graphs in `onnx/` whose name has no `nomask`.",
    "optimum": "Needs `optimum-onnx[onnxruntime]`.",
    "fastembed": "A custom model from a local folder.",
    "transformers.js": 'dtype "q8" is `model_quantized.onnx`, "fp32" is `model.onnx`. A text over '
    "{length} tokens is cut without its last special token there, so its vector differs a little.",
    "onnxruntime": "Nothing but numpy, tokenizers and onnxruntime.",
}


def languages(folder: Path) -> list[str]:
    """The languages that the card in a checkpoint's folder names; [] if none."""
    found = front_matter(folder).get("language")
    named = found if isinstance(found, list) else [found]
    return [value for value in named if isinstance(value, str)]


def model_card(
    manifest: Manifest,
    report: Mapping[str, Any],
    files: Mapping[str, int],
    languages: Sequence[str] = (),
) -> str:
    """The card as Markdown.

    report: parity.json's content. files: bytes by path, of all files worth naming. languages: of
    the source model, as its own card names them.
    """
    parts = [
        _front_matter(manifest, languages),
        f"# {_plain(manifest.model.id)}, as an edgembed bundle\n",
        _origin(manifest, report),
        "## How close it is to the original\n",
        *_parity(report),
        "## Prompts\n",
        *_prompts(manifest),
        "## How to load it\n",
        _padding(manifest),
        *(_section(snippet, manifest) for snippet in snippets(manifest)),
        "## Files\n",
        _table(["file", "bytes"], [[_code(k), f"{v:,}"] for k, v in files.items()]),
    ]
    return "\n".join(parts)


def _front_matter(manifest: Manifest, languages: Sequence[str]) -> str:
    from huggingface_hub import ModelCardData

    model = manifest.model
    data = ModelCardData(
        language=list(languages) or None,
        license=model.license,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[*_TAGS, *(["int8"] if "int8" in manifest.dtypes else [])],
        # Only what has a commit came from the hub; a folder's name would be a dead link there.
        base_model=model.id if model.revision else None,
        base_model_relation="quantized" if model.revision else None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _origin(manifest: Manifest, report: Mapping[str, Any]) -> str:
    model = manifest.model
    rows = [
        ["source", _source(manifest)],
        ["licence", _plain(model.license or "not stated by the source: ask its author")],
        ["architecture", _plain(model.architecture)],
        ["dimension", str(manifest.dimension)],
        ["max_seq_length", f"{manifest.max_seq_length} tokens"],
        ["pooling", manifest.pooling + (", then L2 normalisation" if manifest.normalize else "")],
        ["similarity", manifest.similarity_fn_name],
        ["weights", _weights(manifest, report)],
        *([["graph", graphs.summary(made)]] if (made := report.get("graph")) else []),
    ]  # fmt: skip
    return (
        "Exported by `edgembed-export` to ONNX that runs on a CPU without torch. The weights "
        "are the source model's and so is its licence.\n\n" + _table(["", ""], rows)
    )


def _weights(manifest: Manifest, report: Mapping[str, Any]) -> str:
    bits = report.get("int8", {}).get("activation_bits", 8)
    wide = {"int8": f" with {bits}-bit activations"} if bits > 8 else {}
    default = {manifest.default_dtype: " (default)"}
    return ", ".join(d + wide.get(d, "") + default.get(d, "") for d in manifest.dtypes)


def _source(manifest: Manifest) -> str:
    model = manifest.model
    if not model.revision:
        return f"{_code(model.id)} (a local folder)"
    return f"[{model.id}](https://huggingface.co/{model.id}), commit `{model.revision}`"


def _parity(report: Mapping[str, Any]) -> Iterable[str]:
    count = max((own["count"] for own in report["dtypes"].values()), default=0)
    yield (
        f"Cosine of this bundle's vectors to torch's, on {count} texts under every prompt, "
        "measured on these very files. More in `parity.html`.\n"
    )
    heads = ["weights", "mean", "p1", "min", "same nearest neighbour", "similarity error (mean)"]
    rows = [
        [d, *figures.spread(own)[1:], figures.percent(own["neighbour_agreement"]),
         figures.error(own["similarity_error_mean"])]
        for d, own in report["dtypes"].items()
    ]  # fmt: skip
    yield _table(heads, rows)
    if labelled := report.get("labelled"):
        values = [f"{d} {100 * own['spearman']:.2f}" for d, own in labelled["dtypes"].items()]
        yield (
            f"Spearman on {labelled['pairs']} labelled pairs, in points: "
            f"torch {100 * labelled['torch']:.2f}, {', '.join(values)}.\n"
        )


def _prompts(manifest: Manifest) -> Iterable[str]:
    prompts = manifest.prompts
    if not any(prompts.texts.values()):
        yield "None: texts are embedded as they are.\n"
        return
    rows = [
        [
            _code(key),
            _code(json.dumps(value, ensure_ascii=False)),
            _yes(key == prompts.default_name),
        ]
        for key, value in prompts.texts.items()
    ]
    yield _table(["key", "put before a text", "default"], rows)
    if not manifest.include_prompt:
        yield (
            "A prompt's own tokens are left out of the mean (`include_prompt: false`). edgembed "
            "and sentence-transformers do so; the other tools below do not.\n"
        )


def _padding(manifest: Manifest) -> str:
    return (
        "The same vectors in every tool: float32 to rounding; INT8 to what padding and "
        "neighbours in a batch do to it in tools that pad.\n"
        if "int8" in manifest.dtypes
        else "The same vectors in every tool, to rounding.\n"
    )


def _section(snippet: Snippet, manifest: Manifest) -> str:
    graph = manifest.dtypes[manifest.default_dtype].masked_graph
    note = _NOTES[snippet.tool].format(graph=graph, length=manifest.max_seq_length)
    return f"### {snippet.tool}\n\n{note}\n\n```{snippet.language}\n{snippet.code}```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _code(value: str) -> str:
    """A code span, in a fence longer than any run of backticks in it, safe in a table."""
    line = re.sub(r"\s", " ", value).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if len(fence) > 1 else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _plain(value: str) -> str:
    """Text of unknown origin on one line of a table: nothing in it ends a cell or a code span."""
    return re.sub(r"[\s`|<>\[\]]", lambda m: " " if m[0].isspace() else f"\\{m[0]}", value)
