"""A thousand connections that do not come to the point."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loading import begin, by_status, finish, load, percentile

from edgembed import Embedder


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit (util-linux)")
def test_a_thousand_slow_clients(
    start: Callable[..., Any],
    bundles: Path,
    embedder: Callable[..., Embedder],
    amount: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    """They are closed in time, and the others hardly notice; with 1024 files, the usual limit."""
    model, connections = embedder("minilm", "int8"), amount(1000, 1000)
    timeout = amount(3, 12)
    flags = ("--request-timeout", str(timeout))
    with start(bundles / "minilm", *flags, under=["prlimit", "--nofile=1024:"]) as server:
        alone = load(server, model, "closed", connections=2, seconds=timeout)
        slow = begin(server, model, "trickle", connections=connections, seconds=timeout + 15)
        disturbed = load(server, model, "closed", connections=2, seconds=timeout)
        stayed = finish(slow)
        again = load(server, model, "closed", connections=2, seconds=timeout)
    for own in (alone, disturbed, again):
        assert by_status(own) == {200: len(own)}
        assert all(record["right"] for record in own)
    assert len(stayed) == connections
    assert all(record["seconds"] is not None for record in stayed), "some were not closed"
    longest = max(record["seconds"] for record in stayed)
    p99 = [percentile(own, 200, 99) for own in (alone, disturbed, again)]
    figure(
        f"{connections} connections with a byte a second, all closed within {longest:.1f} s; p99 "
        f"of 2 good clients before, during, after {p99[0]:.1f}, {p99[1]:.1f}, {p99[2]:.1f} ms: "
        f"x{p99[1] / ((p99[0] + p99[2]) / 2):.2f}"
    )
    if amount(0, 1):  # clocks are for soak
        assert longest <= 15
        assert p99[1] <= 2 * max(p99[0], p99[2])
