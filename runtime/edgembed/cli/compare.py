"""`edgembed compare A B --pairs FILE`: whether two ways to embed agree on your own texts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgembed.cli.options import Commands, check_output
from edgembed.jsontext import to_json
from edgembed.replacing import replacing

if TYPE_CHECKING:
    from edgembed.compare.measure import Comparison

_SIDE = "a bundle (with :int8 or :float32 behind it to choose), a checkpoint's folder, or a URL"


def add(commands: Commands) -> None:
    """The command's arguments."""
    summary = (
        "Compare two models on your own texts: how far vectors, neighbours and the order of pairs "
        "agree, and on which texts least."
    )
    command = commands.add_parser("compare", help=summary, description=summary)
    command.add_argument("a", metavar="A", help=f"{_SIDE} of a server with OpenAI's routes")
    command.add_argument("b", metavar="B", help="the other, as A")
    command.add_argument(
        "--pairs",
        metavar="FILE",
        type=Path,
        required=True,
        help="your texts: two a line and, if people have scored them, a number (.tsv, .csv, "
        ".jsonl), or one a line (.txt)",
    )
    command.add_argument("--prompt", metavar="NAME_OR_TEXT", help="for all texts (default: each "
                         "model's own default; '' for none)")  # fmt: skip
    command.add_argument("--html", metavar="FILE", type=Path, help="write a page with plots")
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument(
        "--threads", type=int, help="threads to use (default: as many as this process may)"
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embed every text by both, and print what differs; the page appears whole or not at all."""
    from edgembed.compare.measure import compare, read_corpus
    from edgembed.compare.sides import Options, open_side

    corpus = read_corpus(args.pairs)
    if args.html:
        check_output(args.html)
        from edgembed.page.svg import require_matplotlib

        require_matplotlib()
    options = Options(args.threads)
    a, b = (open_side(spec, options) for spec in (args.a, args.b))
    names = (a.name, b.name) if a.name != b.name else (f"A: {a.name}", f"B: {b.name}")
    vectors = [side.encode(corpus.texts, args.prompt) for side in (a, b)]
    compared = compare(names, corpus, *vectors)
    if args.html:
        from edgembed.compare.page import page

        content = page(compared).encode()
        with replacing(args.html) as stream:
            stream.write(content)
    if args.json:
        # A correlation with what never changes is no number.
        print(to_json({"a": a.name, "b": b.name, **compared.figures}, indent=2))
    else:
        print("\n".join(_lines(compared)))
    return 0


def _lines(compared: Comparison) -> Iterator[str]:
    own = compared.figures
    yield f"{'texts':28}{own['texts']}"
    if (close := own["cosine"]) is not None:
        yield (
            f"{'cosine of the two vectors':28}mean {close['mean']:.6f}, p1 {close['p1']:.6f}, "
            f"min {close['min']:.6f}"
        )
    else:
        yield f"{'cosine of the two vectors':28}not one vector space"
    yield f"{'same nearest neighbour':28}{100 * own['same_nearest']:.1f} %"
    yield f"{'of the 10 nearest, shared':28}{100 * own['shared_of_10_nearest']:.1f} %"
    yield (
        f"{'similarity moves by':28}{own['similarity_error_mean']:.5f} in the mean, "
        f"{own['similarity_error_max']:.5f} at most"
    )
    if pairs := own.get("pairs"):
        yield (
            f"{'rank of a pair moves by':28}{pairs['rank_change_mean']:.1f} in the mean, "
            f"{pairs['rank_change_max']:.0f} at most, of {pairs['count']}"
        )
        if labelled := pairs.get("labelled"):
            low, high = labelled["interval"]
            yield (
                f"{'Spearman with your scores':28}{labelled['a']:.2f} and {labelled['b']:.2f}: "
                f"{labelled['difference']:+.2f} ({low:+.2f} to {high:+.2f}) points of 100"
            )
    worst = compared.corpus.texts[compared.worst()[0]]
    yield f"{'they agree least on':28}{worst[:100]!r}"
