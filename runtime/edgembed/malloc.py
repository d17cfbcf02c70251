"""Giving freed memory back to the system, which glibc keeps for later."""

from __future__ import annotations


def trim() -> None:
    """Return what is free in malloc's heaps; nothing where the C library has no such call."""
    import ctypes  # seldom needed, and not for the first vector

    try:
        call = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
        return
    call(0)
