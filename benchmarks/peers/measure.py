"""The measurements: short interleaved turns, so that a busy neighbour hurts every peer alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from random import Random
from statistics import median
from time import sleep
from typing import Any

import numpy as np
import numpy.typing as npt
from client import Launch, Worker, WorkerError

from edgembed.bench.stats import summary

BATCHES = (1, 4, 8, 16, 32)
_SETTLE = 0.25  # seconds: OpenMP's threads spin on for 0.2 s after a turn of several threads
_SEARCH_TEXTS, _SEARCH_TURNS = 500, 4  # what a batch size is tried on: short turns scatter more

Workers = Mapping[str, Worker]
Turns = list[dict[str, list[float]]]  # seconds of each call, by clock


@contextmanager
def running(
    launches: Sequence[Launch], first_text: str, failures: dict[str, str]
) -> Iterator[dict[str, Worker]]:
    """All workers at once, loaded and idle; those that cannot start are noted and left out."""
    with ExitStack() as stack:
        workers = {}
        for launch in launches:
            try:
                workers[launch.label] = stack.enter_context(Worker(launch, first_text))
            except WorkerError as error:
                failures[launch.label] = str(error)
        yield workers


def turns(workers: Workers, rounds: int, threads: int) -> Iterator[tuple[str, Worker]]:
    """Every worker once a round, in an order of chance.

    None comes after the same one each time: what that one leaves behind in the caches, or still
    does, would be counted against it in every round, and no median would show it.
    """
    names, order = list(workers), Random(0)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            if threads > 1:
                sleep(_SETTLE)
            yield name, workers[name]


def latency(
    starts: Iterable[Workers],
    texts: Mapping[int, Sequence[str]],
    rounds: int,
    turn_seconds: float,
    threads: int,
) -> dict[str, dict[str, Any]]:
    """Milliseconds of one text a call, by peer and tokens; `rounds_*` are medians of turns.

    Each of `starts` has the same workers in new processes, for `rounds` of turns: a process keeps
    the pages that it was given, and two that are alike differ by some percent for that alone.
    """
    turned = [_latency_turns(workers, texts, rounds, turn_seconds, threads) for workers in starts]
    names = [name for name in turned[0] if all(name in one for one in turned)]
    return {
        name: {
            str(tokens): _latency_summary([one[name][tokens] for one in turned]) for tokens in texts
        }
        for name in names
    }


def _latency_turns(
    workers: Workers,
    texts: Mapping[int, Sequence[str]],
    rounds: int,
    turn_seconds: float,
    threads: int,
) -> dict[str, dict[int, Turns]]:
    """Each turn's seconds, by peer and tokens."""
    found: dict[str, dict[int, Turns]] = {name: {} for name in workers}
    for tokens, same_length in texts.items():
        groups = [[text] for text in same_length]
        repeats = {name: _repeats(worker, groups, turn_seconds) for name, worker in workers.items()}
        for name, worker in turns(workers, rounds, threads):
            turn = worker.time(groups, 1, repeats[name])
            found[name].setdefault(tokens, []).append(turn)
    return found


def _latency_summary(starts: list[Turns]) -> dict[str, Any]:
    """Milliseconds: of all calls, and the median of each turn, one start after the other."""
    found: dict[str, Any] = {"starts": len(starts)}
    for clock in ("wall", "cpu"):
        taken = [[1e3 * value for value in turn[clock]] for own in starts for turn in own]
        found[f"{clock}_ms"] = summary([value for turn in taken for value in turn])
        found[f"rounds_{clock}"] = [round(median(turn), 5) for turn in taken]
    return found


def _repeats(worker: Worker, groups: list[list[str]], turn_seconds: float) -> int:
    once = median(worker.time(groups, 1, repeats=3, warmup=1)["wall"])
    return max(1, min(len(groups) * 4, round(turn_seconds / once)))


def throughput(
    workers: Workers,
    texts: list[str],
    calls: int,
    passes: int,
    threads: int,
    log: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Texts a second, each peer at its best batch size; a turn is one of `calls` over all texts."""
    size = len(texts) // calls
    chunks = [texts[start : start + size] for start in range(0, len(texts), size)]
    search = _search(workers, chunks[0], threads)
    best = {name: max(rates, key=lambda batch: rates[batch]) for name, rates in search.items()}
    log(f"best batch sizes: {best}")
    walls: dict[str, list[float]] = {name: [] for name in workers}
    cpus: dict[str, list[float]] = {name: [] for name in workers}
    for number, (name, worker) in enumerate(turns(workers, passes * len(chunks), threads)):
        chunk = chunks[number // len(workers) % len(chunks)]
        turn = worker.time([chunk], int(best[name]), repeats=1, warmup=0)
        walls[name].append(turn["wall"][0] / len(chunk))
        cpus[name].append(turn["cpu"][0] / len(chunk))
    return {
        name: {
            "best_batch": int(best[name]),
            "texts_a_call": size,
            "texts_per_second": round(1 / median(walls[name]), 2),
            "cpu_ms_per_text": round(1e3 * median(cpus[name]), 4),
            "rounds_wall": [round(1e3 * value, 5) for value in walls[name]],
            "rounds_cpu": [round(1e3 * value, 5) for value in cpus[name]],
            "by_batch": search[name],
        }
        for name in workers
    }


def _search(workers: Workers, texts: list[str], threads: int) -> dict[str, dict[str, float]]:
    """Texts a second by batch size, the best of up to four turns each.

    Two turns on fewer texts have put a peer at a batch size a fifth slower than its best. With one
    thread a second is one of CPU time, which a busy neighbour disturbs least.
    """
    clock = "cpu" if threads == 1 else "wall"
    rounds = max(1, min(_SEARCH_TURNS, _SEARCH_TEXTS // len(texts)))
    found: dict[str, dict[str, float]] = {name: {} for name in workers}
    for batch in BATCHES:
        for name, worker in turns(workers, rounds, threads):
            (taken,) = worker.time([texts], batch, repeats=1, warmup=0)[clock]
            rate = round(len(texts) / taken, 2)
            found[name][str(batch)] = max(rate, found[name].get(str(batch), 0.0))
    return found


def cold_start(
    launches: Sequence[Launch], text: str, rounds: int, slow_rounds: int
) -> dict[str, dict[str, Any]]:
    """Seconds from process start to first vector, in parts, and memory after it, by peer.

    One round is thrown away: it brings the files into the page cache. Peers that took over three
    seconds then take `slow_rounds` turns only.
    """
    samples: dict[str, list[dict[str, Any]]] = {launch.label: [] for launch in launches}
    for number in range(rounds + 1):
        for launch in launches:
            taken = samples[launch.label]
            slow = bool(taken) and taken[-1]["cold"]["total"] > 3
            if not (slow and number > slow_rounds):
                with Worker(launch, text) as worker:
                    taken.append(worker.ready)
    return {name: _cold_summary(taken[1:]) for name, taken in samples.items() if taken[1:]}


def _cold_summary(samples: list[dict[str, Any]]) -> dict[str, Any]:
    parts = samples[0]["cold"]
    return {
        "seconds": {part: summary([s["cold"][part] for s in samples]) for part in parts},
        "rounds_s": [round(s["cold"]["total"], 5) for s in samples],
        "rss": median(s["memory"]["rss"] for s in samples),
        "peak": median(s["memory"]["peak"] for s in samples),
    }


def accuracy(workers: Workers, reference: str, texts: list[str]) -> dict[str, dict[str, float]]:
    """Cosine to the reference's vectors, one text a call, and what a batch of 32 changes."""
    want = _unit(workers[reference].vectors(texts, 1))
    neighbours = _nearest(want)
    return {name: _compare(want, neighbours, worker, texts) for name, worker in workers.items()}


def _compare(
    want: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    worker: Worker,
    texts: list[str],
) -> dict[str, float]:
    got = _unit(worker.vectors(texts, 1))
    batched = _unit(worker.vectors(texts, 32))
    cosines = (want * got).sum(1)
    return {
        "mean": round(float(cosines.mean()), 7),
        "p1": round(float(np.percentile(cosines, 1)), 7),
        "min": round(float(cosines.min()), 7),
        "top1": round(float((_nearest(got) == neighbours).mean()), 4),
        "batch_shift": float(f"{1 - (got * batched).sum(1).min():.2e}"),
    }


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    unit: npt.NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def _nearest(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -2)
    nearest: npt.NDArray[np.int64] = similarities.argmax(1)
    return nearest


def pooled(launches: Sequence[Launch], threads: int) -> list[Launch]:
    """The same peers with `threads` callers on one model of one thread, where that is allowed."""
    # llama.cpp's server answers one caller at a time; OpenVINO's compiled model has one request.
    alone = ("llama", "open_vino")
    return [replace(one, callers=threads) for one in launches if one.peer.adapter not in alone]
