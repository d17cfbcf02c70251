"""Importing numpy without what makes the import slow.

OpenBLAS' threads begin by spinning: for 50 ms each of them burns a CPU, or the quota of a small
container, that the rest of a cold start is in need of. And the garbage collector looks again and
again through thousands of new objects of which none is garbage.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

# The power of two of the cycles that a thread of OpenBLAS spins before it sleeps; 4 is the least
# and 26 the default. OpenBLAS reads it once, when numpy is imported.
_SPINNING, _LEAST = "OPENBLAS_THREAD_TIMEOUT", "4"


@contextmanager
def quick_imports() -> Iterator[None]:
    """Imports inside are quick. Afterwards the environment and the collector are as they were."""
    spinning, collecting = os.environ.get(_SPINNING), gc.isenabled()
    os.environ.setdefault(_SPINNING, _LEAST)
    gc.disable()
    try:
        yield
    finally:
        if spinning is None:
            del os.environ[_SPINNING]
        if collecting:
            gc.enable()
