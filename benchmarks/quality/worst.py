"""Which texts INT8 moves most, and what they have in common: to mend the recipe by.

Groups of texts go into the results; the texts themselves are shown on the terminal only, because
the data sets are not ours to copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tasks import Setting, Task
from tokenizers import Tokenizer
from vectors import Store

from common.tables import table
from edgembed.agreement import cosines, spearman

SYSTEM = "int8"
_LENGTHS = (8, 16, 32, 64, 128, 512)
_SHOWN = 15
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moved:
    """Every text under its prompt once: (n,) 1 - cosine to torch, and what may explain it."""

    texts: list[str]
    prompts: list[str]
    away: Float64
    tokens: Float64
    digits: Float64  # share of the characters
    latin: Float64  # share of the letters
    rarest: Float64  # the largest token id over the vocabulary's size: 1 is the rarest piece

    def groups(self) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        low = 0
        for high in _LENGTHS:
            yield f"{low + 1} to {high} tokens", (self.tokens > low) & (self.tokens <= high)
            low = high
        yield "no digits", self.digits == 0
        yield "digits, up to 10 % of the characters", (self.digits > 0) & (self.digits <= 0.1)
        yield "digits, over 10 %", self.digits > 0.1
        yield "Russian (over half of the letters)", self.latin < 0.5
        yield "English", self.latin >= 0.5
        for name in dict.fromkeys(self.prompts):
            yield f"prompt {name!r}", np.array([own == name for own in self.prompts])
        for low_rank, high_rank in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.01)):
            chosen = (self.rarest >= low_rank) & (self.rarest < high_rank)
            yield f"rarest token in {low_rank:g} to {min(high_rank, 1):g} of the vocabulary", chosen


def find(store: Store, planned: Sequence[tuple[Task, Setting]], tokenizer: Path) -> Moved | None:
    """All texts that both torch's and INT8's vectors are there for."""
    found: dict[tuple[str, str], float] = {}
    for task, setting in planned:
        torch, own = (store.of(system, task, setting) for system in ("torch", SYSTEM))
        for role, texts in task.texts.items() if torch and own else ():
            keys = ((setting.prompts[role], text) for text in texts)
            found.update(zip(keys, (1 - cosines(torch[role], own[role])).tolist(), strict=True))
    if not found:
        return None
    own = Tokenizer.from_file(str(tokenizer))
    own.no_padding()
    own.enable_truncation(512)
    ids = [row.ids for row in own.encode_batch([prompt + text for prompt, text in found])]
    size = own.get_vocab_size()
    texts = [text for _, text in found]
    return Moved(
        texts=texts,
        prompts=[prompt for prompt, _ in found],
        away=np.array(list(found.values())),
        tokens=np.array([len(row) for row in ids], float),
        digits=np.array([_share(text, str.isdigit) for text in texts]),
        latin=np.array([_share(_letters(text), str.isascii) for text in texts]),
        # The last but special ones: [SEP] and the like stand at either end of a vocabulary.
        rarest=np.array([max(row[1:-1], default=0) / size for row in ids]),
    )


def _share(text: str, holds: object) -> float:
    return sum(map(holds, text)) / max(len(text), 1)  # type: ignore[call-overload, no-any-return]


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


def page(moved: Moved) -> str:
    """Groups in Markdown, and how the distance goes with each property."""
    lines = [
        [name, int(chosen.sum()), f"{1e4 * own.mean():.2f}", f"{1e4 * np.percentile(own, 99):.2f}"]
        for name, chosen in moved.groups()
        if len(own := moved.away[chosen])
    ]
    lines.append(["all", len(moved.away), f"{1e4 * moved.away.mean():.2f}",
                  f"{1e4 * np.percentile(moved.away, 99):.2f}"])  # fmt: skip
    names = {"tokens": moved.tokens, "digits": moved.digits, "latin letters": moved.latin,
             "rarest token": moved.rarest}  # fmt: skip
    goes = [[name, f"{spearman(own, moved.away):+.3f}"] for name, own in names.items()]
    return (
        table(["texts", "count", "(1 - cosine) x 10^4, mean", "worst 1 % from"], lines)
        + "\n\nSpearman of the distance with:\n\n"
        + table(["", "Spearman"], goes)
    )


def shown(moved: Moved) -> str:
    """The worst texts, for the terminal."""
    order = np.argsort(-moved.away)[:_SHOWN]
    return "\n".join(
        f"{1e4 * moved.away[i]:8.2f}  {moved.tokens[i]:4.0f} tokens  {moved.texts[i][:110]!r}"
        for i in order
    )
