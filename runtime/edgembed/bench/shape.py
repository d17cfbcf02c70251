"""The shape of the report that `edgembed bench --json` writes.

A program may rely on it: VERSION grows when a field changes its meaning or goes. Every list has a
row for each dtype, and where it says so for each number of threads or tokens.
"""

from __future__ import annotations

from typing import TypedDict

from edgembed.bench.machine import Machine
from edgembed.bench.stats import Summary

FORMAT = "edgembed-bench"
VERSION = 1


class Environment(Machine):
    """Where it was measured: the machine, versions, and variables that change how things run."""

    versions: dict[str, str]
    variables: dict[str, str]


class BundleFacts(TypedDict):
    """What was measured. bytes: of graph and weights; both by dtype."""

    model: str
    revision: str | None
    dimension: int
    max_seq_length: int
    bytes: dict[str, int]
    fingerprints: dict[str, str]


class Options(TypedDict):
    """What was asked for. threads: the most; seconds: the budget; seed: of the texts."""

    threads: int
    seconds: float
    seed: int


class Latency(TypedDict):
    """Milliseconds of one text of `tokens` tokens in a call, by tokens, threads and dtype."""

    tokens: int
    threads: int
    dtype: str
    ms: Summary


class Mix(TypedDict):
    """The texts of the throughput: how many, and their tokens."""

    texts: int
    median_tokens: float
    longest_tokens: int
    tokens: int


class Throughput(TypedDict):
    """The mix in one call, by threads and dtype. seconds: of such a call."""

    threads: int
    dtype: str
    texts_per_second: float
    tokens_per_second: float
    seconds: Summary


class ColdStart(TypedDict):
    """A fresh process, files in the page cache.

    seconds: interpreter, imports, load, first_call, which follow one another; their total; cpu,
    the process' CPU time. inside: median seconds of what happens within these, some of it at once.
    """

    dtype: str
    threads: int
    seconds: dict[str, Summary]
    inside: dict[str, float]


class MemoryUse(TypedDict):
    """Bytes of a fresh process; None where the system does not tell (not Linux).

    rss: after the first vector. peak: its highest, after texts of all lengths as well.
    """

    dtype: str
    rss: int | None
    peak: int | None


class Report(TypedDict):
    """All of it."""

    format: str
    version: int
    environment: Environment
    bundle: BundleFacts
    options: Options
    latency: list[Latency]
    mix: Mix
    throughput: list[Throughput]
    cold_start: list[ColdStart]
    memory: list[MemoryUse]
