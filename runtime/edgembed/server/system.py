"""What Python and asyncio leave to the operating system: sockets, files and priorities."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import sys
from collections.abc import Iterable

_MOST_FILES = 65_536
_NICER = 5  # a third of the loop's share


def set_no_delay(transport: asyncio.Transport) -> None:
    """Send at once.

    asyncio sees to it only where the listening socket was made with IPPROTO_TCP spelled out;
    without it a client's delayed ACK holds every response's body back for 40 ms.
    """
    own: socket.socket = transport.get_extra_info("socket")
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def has_input(transport: asyncio.Transport) -> bool:
    """Whether something has come that the loop has not read yet."""
    if transport.is_closing() or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the other side has not taken yet; 0 where all are the kernel's to deliver.

    The kernel's own part counts, where it tells (Linux): it holds megabytes, and takes more only
    when a good deal of them is gone, so the transport's part alone stands still for a long time.
    """
    ours = transport.get_write_buffer_size()
    if ours == 0 or sys.platform != "linux":
        return ours
    import fcntl
    import termios

    told = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
    return ours + int.from_bytes(told, sys.byteorder)


def raise_file_limit() -> None:
    """As many connections as this process may have: 1024 files are soon used up by slow clients."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def lower_priority(thread_ids: Iterable[int]) -> None:
    """Let these threads of this process step back where there are more to run than CPUs (Linux).

    Under overload the workers want every CPU, and the event loop would wait for its share before it
    can refuse what is too much. A thread that computes in batches does not interrupt others when it
    wakes up.
    """
    if sys.platform != "linux":  # elsewhere priorities are the whole process's
        return
    lower = os.getpriority(os.PRIO_PROCESS, 0) + _NICER
    for thread_id in thread_ids:
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, thread_id, lower)
            os.sched_setscheduler(thread_id, os.SCHED_BATCH, os.sched_param(0))
