"""The measurements in order, within a budget of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median

from edgembed import Embedder
from edgembed.bench import cold, speed
from edgembed.bench.machine import describe, variables, versions
from edgembed.bench.sentences import SENTENCES
from edgembed.bench.shape import FORMAT, VERSION, BundleFacts, Mix, Report
from edgembed.bench.texts import TextCutter, log_normal_lengths, token_counter
from edgembed.bundle import Bundle
from edgembed.errors import ArgumentError
from edgembed.threads import available_threads

TOKENS = (8, 32, 128, 512)
SEED = 0
# How the budget is spent; what is left goes into loading and memory.
_COLD, _LATENCY, _THROUGHPUT = 0.2, 0.35, 0.3
_LONGEST_BUDGET = 86_400
_MOST_TEXTS = 256
_SAME_LENGTH = 8  # texts that a latency is taken of


class Bench:
    """The measurements of one bundle on this machine."""

    def __init__(
        self,
        folder: Path,
        dtypes: Sequence[str] = (),
        threads: int | None = None,
        seconds: float = 20,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """dtypes: none means all that the bundle has. threads: the most (None: all available).

        seconds: what to aim at in all; a large model takes longer, since each figure takes two
        turns at least. say: told what is being measured. ArgumentError and BundleError as
        Embedder has them, before anything is measured.
        """
        if not 0 < seconds <= _LONGEST_BUDGET:  # also refuses NaN
            raise ArgumentError(f"seconds must be between 0 and {_LONGEST_BUDGET}, not {seconds}")
        self._bundle, self._seconds, self._say = Bundle.open(folder), seconds, say
        self._dtypes = list(dict.fromkeys(dtypes)) or list(self._bundle.manifest.dtypes)
        self._threads = available_threads() if threads is None else threads
        self._load(self._threads)
        contents = self._bundle.read_beside(self._dtypes[0])
        self._cutter = _cutter(bytes(contents[self._bundle.manifest.tokenizer]))

    def run(self) -> Report:
        """Measure everything, in order."""
        report: Report = {
            "format": FORMAT,
            "version": VERSION,
            "environment": {**describe(), "versions": versions(), "variables": variables()},
            "bundle": _facts(self._bundle, self._dtypes),
            "options": {"threads": self._threads, "seconds": self._seconds, "seed": SEED},
            "latency": [],
            "mix": {"texts": 0, "median_tokens": 0, "longest_tokens": 0, "tokens": 0},
            "throughput": [],
            "cold_start": [],
            "memory": [],
        }
        texts = self._speed(report)
        self._fresh(report, texts)
        return report

    def _load(self, threads: int) -> dict[str, Embedder]:
        folder = self._bundle.folder
        return {dtype: Embedder(folder, dtype=dtype, threads=threads) for dtype in self._dtypes}

    def _speed(self, report: Report) -> list[str]:
        """Latency and throughput by number of threads; returns the texts of the throughput."""
        texts: list[str] = []
        counts = _thread_counts(self._threads)
        shown = [count for count in counts if count in (1, self._threads)]
        sizes = _sizes(self._bundle.manifest.max_seq_length)
        same_length = {
            size: [self._cutter.cut(size) for _ in range(_SAME_LENGTH)] for size in sizes
        }
        for threads in counts:
            models, plural = self._load(threads), "s" * (threads > 1)
            if threads in shown:
                share = self._seconds * _LATENCY / len(shown) / len(sizes)
                for size, group in same_length.items():
                    self._say(f"latency of {size} tokens, {threads} thread{plural}")
                    tokens = self._cutter.count(group[0])
                    report["latency"] += speed.latency(models, threads, group, tokens, share)
            share = self._seconds * _THROUGHPUT / len(counts)
            texts = texts or self._mix(models, share)
            report["mix"] = self._described(texts)
            self._say(f"throughput of {len(texts)} mixed texts, {threads} thread{plural}")
            total = report["mix"]["tokens"]
            report["throughput"] += speed.throughput(models, threads, texts, total, share)
        return texts

    def _mix(self, models: dict[str, Embedder], seconds: float) -> list[str]:
        """As many mixed texts as every model can embed four times in `seconds`, 16 to 256."""
        longest = min(self._bundle.manifest.max_seq_length, TOKENS[-1])
        lengths = log_normal_lengths(_MOST_TEXTS, median=30, sigma=0.8, longest=longest, seed=SEED)
        first = [self._cutter.cut(tokens) for tokens in lengths[:16]]
        taken = sum(speed.seconds_of(model, first) for model in models.values()) / len(first)
        count = min(max(16, 4 * self._threads, int(seconds / 4 / taken)), _MOST_TEXTS)
        return first + [self._cutter.cut(tokens) for tokens in lengths[len(first) : count]]

    def _described(self, texts: Sequence[str]) -> Mix:
        counts = [self._cutter.count(text) for text in texts]
        return {
            "texts": len(texts),
            "median_tokens": median(counts),
            "longest_tokens": max(counts),
            "tokens": sum(counts),
        }

    def _fresh(self, report: Report, texts: Sequence[str]) -> None:
        """What only a fresh process can tell."""
        sizes = _sizes(self._bundle.manifest.max_seq_length)
        longest = self._cutter.cut(sizes[-1])
        start = cold.Start(self._bundle.folder, self._threads, self._cutter.cut(sizes[0]))
        for dtype in self._dtypes:
            self._say(f"memory, {dtype}")
            report["memory"].append(cold.memory(start, dtype, [*texts, longest]))
        self._say("cold start")
        report["cold_start"] = cold.cold_start(start, self._dtypes, self._seconds * _COLD)


def _sizes(max_seq_length: int) -> list[int]:
    """The lengths of the latencies: TOKENS, and the model's own limit where it is below them."""
    return sorted({min(tokens, max_seq_length) for tokens in TOKENS})


def _thread_counts(most: int) -> list[int]:
    """1, 2, 4 ... and `most`."""
    return sorted({2**power for power in range(int(math.log2(most)) + 1)} | {most})


def _cutter(tokenizer_json: bytes) -> TextCutter:
    """Texts of the built-in sentences."""
    shuffler = Random(SEED)
    lines: list[str] = []
    for _ in range(8):  # about 3,000 words
        lines += shuffler.sample(SENTENCES, len(SENTENCES))
    return TextCutter(token_counter(tokenizer_json), lines, SEED)


def _facts(bundle: Bundle, dtypes: Sequence[str]) -> BundleFacts:
    manifest = bundle.manifest
    weights = {dtype: manifest.dtypes[dtype] for dtype in dtypes}
    return {
        "model": manifest.model.id,
        "revision": manifest.model.revision,
        "dimension": manifest.dimension,
        "max_seq_length": manifest.max_seq_length,
        "bytes": {
            dtype: sum(manifest.artifacts[name].bytes for name in (own.graph, own.data))
            for dtype, own in weights.items()
        },
        "fingerprints": {dtype: own.fingerprint for dtype, own in weights.items()},
    }
