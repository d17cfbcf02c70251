"""The comparison as one HTML page, with everything in it, that fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgembed.compare.measure import Comparison
from edgembed.page import figures, plots, style
from edgembed.page.html import Html, cut, document, figure, table, tag, text


def page(compared: Comparison) -> str:
    """The page as HTML; MissingExtraError without matplotlib."""
    a, b = compared.names
    title = f"{a} and {b}"
    return document(
        title,
        style(),
        tag("h1", text(title)),
        tag("p", text(_summary(compared)), css="soft"),
        tag("div", *_verdicts(compared), css="verdicts"),
        tag("h2", text("In pictures")),
        tag("div", *_plots(compared), css="plots"),
        tag("h2", text("The texts that they agree least on")),
        _worst(compared),
        *_moved(compared),
    )


def _summary(compared: Comparison) -> str:
    pairs = f", {len(compared.corpus.pairs)} pairs of them" if compared.corpus.pairs else ""
    space = (
        "The two are one vector space: vectors of one may be compared with those of the other."
        if compared.close is not None and compared.close.mean() > 0.99
        else "The two are not one vector space: an index of one must not be searched with the "
        "other's vectors."
    )
    return f"{len(compared.corpus.texts)} different texts{pairs}. {space}"


def _verdicts(compared: Comparison) -> Iterator[Html]:
    own = compared.figures
    if (close := own["cosine"]) is not None:
        facts = {
            "lowest of the best 99 %": figures.cosine(close["p1"]),
            "lowest of all": figures.cosine(close["min"]),
        }
        yield _verdict("Vectors", figures.cosine(close["mean"]), "mean cosine", facts)
    facts = {
        "of the 10 nearest, shared": figures.percent(own["shared_of_10_nearest"]),
        "similarity moves by (mean)": figures.error(own["similarity_error_mean"]),
        "similarity moves by (most)": figures.error(own["similarity_error_max"]),
    }
    same = figures.percent(own["same_nearest"])
    yield _verdict("Neighbours", same, "same nearest neighbour", facts)
    if pairs := own.get("pairs"):
        yield _pairs(pairs, compared.names)


def _pairs(pairs: dict[str, Any], names: tuple[str, str]) -> Html:
    facts = {
        "a pair's rank moves by (mean)": f"{pairs['rank_change_mean']:.1f} of {pairs['count']}",
        "a pair's rank moves by (most)": f"{pairs['rank_change_max']:.0f}",
        "Spearman between the two": f"{pairs['spearman_between']:.4f}",
    }
    if labelled := pairs.get("labelled"):
        low, high = labelled["interval"]
        facts |= {
            f"Spearman with your scores, {names[0]}": f"{labelled['a']:.2f}",
            f"Spearman with your scores, {names[1]}": f"{labelled['b']:.2f}",
            "95 % interval of the difference": f"{low:+.2f} to {high:+.2f}",
        }
        return _verdict("Your pairs", f"{labelled['difference']:+.2f}", "points of 100", facts)
    between = f"{pairs['spearman_between']:.4f}"
    return _verdict("Your pairs", between, "Spearman between the two", facts)


def _verdict(title: str, value: str, meaning: str, facts: dict[str, str]) -> Html:
    rows = [Html(tag("dt", text(k)) + tag("dd", text(v))) for k, v in facts.items()]
    return tag(
        "section",
        tag("h3", text(title)),
        tag("div", text(value), css="figure"),
        tag("div", text(meaning), css="soft"),
        tag("dl", *rows),
        css="verdict int8",
    )


def _plots(compared: Comparison) -> Iterator[Html]:
    a, b = compared.names
    if compared.close is not None:
        distances = np.maximum(1 - compared.close, 1e-16)
        yield figure(plots.distribution({b: distances}, a), "Each text's two vectors.")
    yield figure(
        plots.similarity(compared.similarities, a, b),
        f"{len(compared.similarities.reference)} pairs of your texts, as many alike as unlike "
        "where there are any. On the dashed line both say the same.",
    )
    if (ranking := compared.ranking) is not None:
        yield figure(
            plots.rank_changes(ranking.ranks_a, ranking.ranks_b, (a, b)),
            "Your pairs, from the most to the least alike. What lies off the dashed line changes "
            "places.",
        )


def _worst(compared: Comparison) -> Html:
    rows = [
        [
            cut(compared.corpus.texts[index]),
            "-" if compared.close is None else figures.cosine(float(compared.close[index])),
            figures.percent(float(compared.shared[index])),
        ]
        for index in compared.worst()
    ]
    return table(
        "By cosine where the two are one vector space, else by the neighbours that they share.",
        ["text", "cosine", "of the 10 nearest, shared"],
        rows,
    )


def _moved(compared: Comparison) -> Iterator[Html]:
    if (ranking := compared.ranking) is None:
        return
    rows = []
    for index in compared.moved():
        pair = compared.corpus.pairs[index]
        ranks = [f"{own[index]:.0f}" for own in (ranking.ranks_a, ranking.ranks_b)]
        alike = [f"{own[index]:.4f}" for own in (ranking.a, ranking.b)]
        rows.append([cut(pair.first), cut(pair.second), *alike, *ranks])
    a, b = compared.names
    yield tag("h2", text("The pairs that change places most"))
    yield table(
        "Similarity and rank (1: the most alike) by each.",
        ["text", "other text", f"similarity, {a}", f"similarity, {b}", f"rank, {a}", f"rank, {b}"],
        rows,
        words=2,
    )
