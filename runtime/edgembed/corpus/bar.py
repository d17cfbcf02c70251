"""The progress bar: rows, rows and tokens a second, time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from edgembed.corpus.worker import Counts


def bar(outcomes: Iterable[Counts], rows: int, before: Counts, show: bool) -> Iterator[Counts]:
    """Pass outcomes on, behind a bar of `rows` rows of which some were finished before."""
    if not show:
        yield from outcomes
        return
    from tqdm import tqdm  # comes with Daft; takes long to import

    start, tokens = time.monotonic(), 0
    with tqdm(total=rows, initial=before.rows, unit="row", unit_scale=True) as shown:
        for one in outcomes:
            tokens += one.tokens
            rate = tokens / max(time.monotonic() - start, 1e-9)
            shown.set_postfix_str(f"{rate:,.0f} tokens/s", refresh=False)
            shown.update(one.rows)
            yield one
