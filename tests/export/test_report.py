"""parity.html: whole in itself, harmless, repeatable, and true to the report it was made from."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from report_samples import GRAPH, HOSTILE, INT8, LABELLED, manifest, measured

from edgembed.agreement import sample_similarities
from edgembed.manifest import Source
from edgembed.page import figures
from edgembed.page.html import text
from edgembed_export.report.graphs import left, summary
from edgembed_export.report.measured import Measured
from edgembed_export.report.page import parity_page

MORE = {"labelled": LABELLED, "graph": GRAPH, "int8": INT8}
VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """Every element with its attributes, the text outside of them, and tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    return parity_page(measured(**MORE), manifest())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == []
    names = {name for name, _ in page.elements}
    assert {"html", "svg", "table", "style", "title"} <= names


def test_nothing_is_fetched_and_nothing_runs(html: str, page: Page) -> None:
    names = {name for name, _ in page.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "embed", "image", "base"}
    for name, attributes in page.elements:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("href", "src", "xlink:href"):
                assert value.startswith("#") or (name == "a" and value.startswith("https://"))
    styles = re.findall(r"<style.*?</style>", html, flags=re.DOTALL) + [
        attributes.get("style", "") for _, attributes in page.elements
    ]
    for style in styles:
        assert "@import" not in style
        assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)", style))


def test_the_browser_is_told_so_too(page: Page) -> None:
    policies = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_a_text_stays_a_text(html: str, page: Page) -> None:
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c")
    assert shown in "".join(page.texts)
    assert "<script" not in html
    assert "\u202e" not in html


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a<b & \"c\" 'd'", "a&lt;b &amp; &quot;c&quot; &#x27;d&#x27;"),
        ("nul \x00 and \ud800", "nul \\u0000 and \\ud800"),
        ("семья 👩‍👩‍👧 и שלום", "семья 👩‍👩‍👧 и שלום"),
    ],
)
def test_escaping(raw: str, shown: str) -> None:
    assert text(raw) == shown


def test_a_hostile_model_name() -> None:
    shown = parity_page(measured(12), manifest(model=Source(HOSTILE, HOSTILE, HOSTILE)))
    assert "<script" not in shown
    assert "a.example/b" not in str([a for _, a in Page(shown).elements if "src" in a])


def test_same_measurements_same_bytes(html: str) -> None:
    assert parity_page(measured(**MORE), manifest()) == html


def test_ids_are_unique_and_found(html: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:href="#|url\(#)([^")]*)', html)
    assert set(wanted) <= set(ids)


def test_plots_take_their_colours_from_the_page(html: str) -> None:
    variables = set(re.findall(r"var\(--([\w-]+)\)", html[html.index("<svg") :]))
    defined = set(re.findall(r"--([\w-]+):", html))
    assert {"ink", "faint", "int8", "float32"} <= variables <= defined
    assert "#0102" not in html


def test_figures_are_the_reports(page: Page) -> None:
    report = measured(labelled=LABELLED).report
    shown = "".join(page.texts)
    for own in report["dtypes"].values():
        for key in ("mean", "p1", "min"):
            assert figures.cosine(own[key]) in shown
        assert figures.percent(own["neighbour_agreement"]) in shown
        assert figures.error(own["similarity_error_max"]) in shown
        for worst in own["worst"]:
            assert figures.cosine(worst["cosine"]) in shown
        for group in (*own["by_length"].values(), *own["by_prompt"].values()):
            assert figures.cosine(group["p1"]) in shown
    for figure in ("0.998765", "0.987654", "82.03", "81.99", "+0.04", "1379", "2.13.0+cpu"):
        assert figure in shown


def test_what_was_done_to_graph_and_weights_is_shown(page: Page) -> None:
    shown = "".join(page.texts)
    assert "attention fused in 5 of 6 layers" in shown
    assert "left as optimum exported it: 2 MatMul, 1 Softmax, 3 Where." in shown
    rows = _rows(page)
    assert ["attention as one node", "5", "5"] in rows
    assert ["mask taken out", "6", "0"] in rows
    assert ["odd", "41", "0"] in rows  # no pattern is dropped for want of words
    assert ["nodes", "44", "47"] in rows
    assert "norm as one node" not in shown  # it matched nowhere
    assert ["outlier channels split", "83"] in rows
    assert ["feed-forward units kept in float32", "79"] in rows
    assert ["free of 16-bit saturation on every CPU", "yes"] in rows
    assert 'Recipe: smooth [["qkv", 0.7]] · split 8 · rounding "gptq"' in shown


def _rows(page: Page) -> list[list[str]]:
    """The lines of all tables: consecutive texts, cut at line ends."""
    lines = "".join(page.texts).split("\n\n")
    return [[cell for cell in line.split("\n") if cell] for line in lines]


def test_a_graph_that_is_lean_leaves_nothing() -> None:
    lean = {**GRAPH["maskless"], "left": {}, "operators": {"MultiHeadAttention": 6}}
    whole = {"maskless": lean, "masked": lean}
    assert left(whole) == ""
    assert summary(whole) == (
        "attention fused in 6 of 6 layers; left as optimum exported it: nothing"
    )
    unsaid = {kind: {**lean, "layers": 0} for kind in whole}  # a config that does not count them
    assert summary(unsaid).startswith("attention fused in 6 layers;")


def test_unsafe_weights_are_said_to_be_so() -> None:
    shown = parity_page(measured(12, int8={**INT8, "pair_safe": False}), manifest())
    assert ["free of 16-bit saturation on every CPU", "no"] in _rows(Page(shown))


def test_what_was_not_measured_is_not_shown() -> None:
    shown = parity_page(measured(12), manifest())  # as of bundles from before these were kept
    assert "Spearman" not in shown
    assert "What was made of" not in shown
    local = parity_page(measured(12), manifest(model=Source("folder")))
    assert 'href="http' not in local
    assert "licence not stated" in local


def test_a_single_text() -> None:
    small = measured(8)
    nothing = np.zeros((1, 4), np.float32) + 1
    single = Measured(small.report, small.rows[:1], sample_similarities(nothing, {"int8": nothing}))
    assert parity_page(single, manifest()).count("<svg") == 4


def test_similarities_are_spread_over_their_range() -> None:
    generator = np.random.default_rng(1)
    torch = generator.normal(size=(200, 8)).astype(np.float32)
    torch[100:] = torch[:100] + 0.1 * torch[100:]  # a hundred pairs that are nearly alike
    sampled = sample_similarities(torch, {"int8": torch})
    assert 500 < len(sampled.reference) <= 2000
    assert (sampled.reference > 0.95).sum() >= 40
    np.testing.assert_array_equal(sampled.reference, sampled.others["int8"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.99912345, "0.999123"),
        (1 - 6e-7, "0.999999"),
        (1 - 2e-13, "1 − 2e-13"),
        (1.0, "1"),
        (1 + 2e-16, "1"),
        (float("nan"), "nan"),
        (-1.0, "-1.000000"),
    ],
)
def test_cosines_keep_what_matters(value: float, shown: str) -> None:
    assert figures.cosine(value) == shown
