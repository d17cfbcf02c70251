"""Latency and throughput: dtypes in short turns, so that a busy neighbour hurts each alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from edgembed import Embedder
from edgembed.bench.shape import Latency, Throughput
from edgembed.bench.stats import summary

Models = Mapping[str, Embedder]
_TURN = 0.08  # seconds of a latency turn
_FEWEST = 2  # turns, whatever they take


def latency(
    models: Models, threads: int, texts: Sequence[str], tokens: int, seconds: float
) -> list[Latency]:
    """One text of `tokens` tokens a call, by models that were loaded with so many threads.

    For about `seconds`; each turn begins with a call that is not counted.
    """
    samples: dict[str, list[float]] = {dtype: [] for dtype in models}
    for dtype, model in _turns(models, seconds):
        samples[dtype] += _turn(model, texts)
    return [
        {
            "tokens": tokens,
            "threads": threads,
            "dtype": dtype,
            "ms": summary([1e3 * taken for taken in found]),
        }
        for dtype, found in samples.items()
    ]


def throughput(
    models: Models, threads: int, texts: Sequence[str], tokens: int, seconds: float
) -> list[Throughput]:
    """All texts, which have so many tokens together, in one call, for about `seconds`."""
    samples: dict[str, list[float]] = {dtype: [] for dtype in models}
    for model in models.values():
        _call(model, texts[: len(texts) // 4 + 1])
    for dtype, model in _turns(models, seconds):
        samples[dtype].append(_call(model, texts))
    return [
        {
            "threads": threads,
            "dtype": dtype,
            "texts_per_second": round(len(texts) / median(found), 2),
            "tokens_per_second": round(tokens / median(found), 1),
            "seconds": summary(found),
        }
        for dtype, found in samples.items()
    ]


def seconds_of(model: Embedder, texts: Sequence[str]) -> float:
    """What a call with these texts takes when it is not the first."""
    _call(model, texts[:2])
    return _call(model, texts)


def _turns(models: Models, seconds: float) -> Iterator[tuple[str, Embedder]]:
    """Every model once a round, each round beginning with another one."""
    names, deadline, number = list(models), time.perf_counter() + seconds, 0
    while number < _FEWEST or time.perf_counter() < deadline:
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            yield name, models[name]
        number += 1


def _turn(model: Embedder, texts: Sequence[str]) -> list[float]:
    _call(model, texts[:1])
    taken: list[float] = []
    while sum(taken) < _TURN:
        taken.append(_call(model, [texts[len(taken) % len(texts)]]))
    return taken


def _call(model: Embedder, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    model.encode(list(texts), prompt="")
    return time.perf_counter() - start
