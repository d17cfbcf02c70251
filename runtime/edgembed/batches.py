"""Which texts may run together: those of one and the same number of tokens.

They need no padding, and every kernel of a float32 graph works on each row (or on each text's
attention) by itself, so a text's bits are those that it has alone. Padding would change them, and
so would INT8's dynamic quantisation, but for what `batched` does about it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

# Texts that are tokenised before their lengths are compared; bounds what is held in memory.
CHUNK = 1024
# Tokens of one run: above this the matrix products gain nothing more.
RUN_TOKENS = 256


def chunks(count: int) -> Iterator[range]:
    """The indices of `count` texts, CHUNK at a time."""
    for start in range(0, count, CHUNK):
        yield range(start, min(start + CHUNK, count))


def alike(lengths: Mapping[int, int]) -> int:
    """How many texts, of {index: tokens}, could run with another within RUN_TOKENS."""
    counts = Counter(length for length in lengths.values() if 2 * length <= RUN_TOKENS)
    return sum(count for count in counts.values() if count > 1)


def equal_lengths(lengths: Mapping[int, int], workers: int, most: int) -> list[list[int]]:
    """Indices by run, from {index: tokens}: of one length and `most` tokens together, or one text.

    The longest texts come first, so that all workers are done at about the same time, and no run
    is so large that another worker would have nothing to do.
    """
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for index, length in lengths.items():
        by_length[length].append(index)
    share = math.ceil(len(lengths) / workers)
    runs = []
    for length, indices in sorted(by_length.items(), reverse=True):
        size = max(1, min(share, most // max(length, 1)))
        runs += [indices[start : start + size] for start in range(0, len(indices), size)]
    return runs
