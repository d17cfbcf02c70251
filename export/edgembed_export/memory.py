"""Giving memory back between two large models.

Python frees what is in a cycle (torch's modules, graphs) when it gets round to it, and glibc keeps
freed blocks of up to 32 MiB, which most weight matrices are, for later. A model that needs most of
a machine has no room for either.
"""

from __future__ import annotations

import gc

from edgembed.malloc import trim


def give_back() -> None:
    """Free what nothing refers to, and return it to the system where the C library can (glibc)."""
    gc.collect()
    trim()
