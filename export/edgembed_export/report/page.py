"""parity.html: one page for people, with everything in it, that fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgembed.manifest import Manifest, Source
from edgembed.page import figures, style
from edgembed.page.html import Html, cut, document, figure, table, tag, text
from edgembed.page.plots import distribution, similarity
from edgembed_export.report import graphs, plots
from edgembed_export.report.measured import Measured

_MEANING = (
    "Each text was embedded twice, by the original model in torch (float32) and by the files of "
    "this bundle, and the cosine of the two vectors says how close they are: 1 is the same "
    "direction, and the worst text counts more than the mean.",
    "What an application sees is in the other figures: how often the nearest neighbour of a text "
    "among all others stays the same, and by how much the similarity of two texts moves.",
)


def parity_page(measured: Measured, manifest: Manifest) -> str:
    """The page as HTML.

    manifest: of the bundle that was measured; its model, tools and shape are shown. The same
    arguments and the same matplotlib give the same page.
    """
    title = f"Parity report: {manifest.model.id}"
    return document(
        title,
        style(),
        tag("h1", text(title)),
        *_origin(manifest),
        tag("div", *(_verdict(d, measured.report) for d in measured.dtypes), css="verdicts"),
        *(tag("p", text(sentence)) for sentence in _MEANING),
        tag("h2", text("In pictures")),
        tag("div", *_plots(measured), css="plots"),
        *_labelled(measured.report),
        tag("h2", text("By length and prompt")),
        *_tables(measured.report),
        tag("h2", text("The worst texts")),
        *_worst(measured.report),
        *_others(measured.report),
        *graphs.sections(measured.report),
        tag("h2", text("Measured on")),
        _tools(manifest),
    )


def _origin(manifest: Manifest) -> Iterator[Html]:
    model = manifest.model
    facts = [
        *([f"commit {model.revision}"] if model.revision else []),
        f"licence {model.license or 'not stated'}",
        f"{manifest.dimension} dimensions",
        f"{manifest.pooling} pooling{', normalised' if manifest.normalize else ''}",
        f"texts up to {manifest.max_seq_length} tokens",
    ]
    yield tag("p", *_link(model), text(" · ".join(facts)), css="soft")


def _link(model: Source) -> Iterator[Html]:
    """The model on the hub, where it came from there: only such a model has a commit."""
    if model.revision:
        shown = text(f"huggingface.co/{model.id}")
        yield Html(f'<a href="https://{shown}" rel="noreferrer">{shown}</a> · ')


def _verdict(dtype: str, report: Mapping[str, Any]) -> Html:
    own = report["dtypes"][dtype]
    facts = {
        "lowest of the best 99 %": figures.cosine(own["p1"]),
        "lowest of all": figures.cosine(own["min"]),
        "same nearest neighbour": figures.percent(own["neighbour_agreement"]),
        "similarity moves by (mean)": figures.error(own["similarity_error_mean"]),
        "similarity moves by (most)": figures.error(own["similarity_error_max"]),
        "texts compared": str(own["count"]),
    }
    pairs = [tag("dt", text(k)) + tag("dd", text(v)) for k, v in facts.items()]
    return tag(
        "section",
        tag("h3", text(dtype)),
        tag("div", text(figures.cosine(own["mean"])), css="figure"),
        tag("div", text("mean cosine to torch"), css="soft"),
        tag("dl", *(Html(pair) for pair in pairs)),
        css=f"verdict {dtype}",
    )


def _plots(measured: Measured) -> Iterator[Html]:
    yield figure(
        distribution({dtype: measured.distances(dtype) for dtype in measured.dtypes}, "torch"),
        "All texts under all prompts. float32 differs from torch by rounding alone.",
    )
    yield figure(
        similarity(measured.similarities, "torch", "the bundle"),
        f"{len(measured.similarities.reference)} pairs of texts, as many alike as "
        "unlike where there are any. On the dashed line the bundle says what torch says.",
    )
    for dtype in measured.dtypes:
        yield figure(
            plots.by_length(measured, dtype),
            f"{dtype}: each dot is a text under a prompt; the lines join the length classes.",
        )


def _labelled(report: Mapping[str, Any]) -> Iterator[Html]:
    if not (labelled := report.get("labelled")):
        return
    rows = [["torch", f"{100 * labelled['torch']:.2f}", ""]]
    for dtype, own in labelled["dtypes"].items():
        loss = f"{own['loss_points']:+.2f}"
        rows.append([dtype, f"{100 * own['spearman']:.2f}", loss])
    yield tag("h2", text("Against people's judgement"))
    yield table(
        f"Spearman's rank correlation with the scores of {labelled['pairs']} pairs, in points of "
        "100; a loss below zero is a gain.",
        ["", "Spearman", "loss to torch"],
        rows,
    )


def _tables(report: Mapping[str, Any]) -> Iterator[Html]:
    heads = ["texts", "mean", "p1", "min"]
    for dtype, own in report["dtypes"].items():
        rows = [[k, *figures.spread(v)] for k, v in own["by_length"].items()]
        yield table(f"{dtype}: cosine to torch by length", ["tokens", *heads], rows)
    for dtype, own in report["dtypes"].items():
        rows = [[figures.prompt(k), *figures.spread(v)] for k, v in own["by_prompt"].items()]
        yield table(f"{dtype}: cosine to torch by prompt", ["prompt", *heads], rows)


def _worst(report: Mapping[str, Any]) -> Iterator[Html]:
    for dtype, own in report["dtypes"].items():
        rows = [
            [cut(w["text"]), figures.prompt(w["prompt"]), str(w["tokens"]),
             figures.cosine(w["cosine"])]
            for w in own["worst"]
        ]  # fmt: skip
        yield table(
            f"{dtype}: the {len(rows)} texts furthest from torch",
            ["text", "prompt", "tokens", "cosine"],
            rows,
            words=2,
        )


def _others(report: Mapping[str, Any]) -> Iterator[Html]:
    if not (masked := report.get("masked_graphs")):
        return
    rows = [[d, *(figures.cosine(own[k]) for k in ("mean", "min"))] for d, own in masked.items()]
    yield tag("h2", text("In other people's tools"))
    yield table(
        "Cosine to torch of the graphs with an attention mask, which other tools open, in padded "
        "batches by bare onnxruntime.",
        ["", "mean", "min"],
        rows,
    )


def _tools(manifest: Manifest) -> Html:
    return table("Versions", ["tool", "version"], [list(item) for item in manifest.tools.items()])
