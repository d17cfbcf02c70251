"""What asyncio's transports do not say or do of their sockets."""

from __future__ import annotations

import asyncio
import select
import socket
import sys

_MOST_FILES = 65_536


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


def raise_file_limit() -> None:
    """As many connections as this process may have: 1024 files are soon used up by slow clients."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
