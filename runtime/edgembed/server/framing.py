"""What is wrong with a request's head, beyond what httptools refuses by itself.

Where two readers of one connection may differ about where a request ends, the second can be made
to take part of a body for a request (request smuggling, RFC 9112 section 11.2). So whatever leaves
room for doubt is refused, though this server would know what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

LARGEST_HEAD = 32 * 1024  # bytes of request line and headers; of trailers as well
Headers = Sequence[tuple[bytes, bytes]]  # names in lower case

_BAD = "400 Bad Request"


def fault(method: bytes, url: bytes, version: str, headers: Headers) -> str | None:
    """The status line of the refusal; None where there is nothing to refuse."""
    if len(url) + sum(len(name) + len(value) for name, value in headers) > LARGEST_HEAD:
        return "431 Request Header Fields Too Large"
    if version not in ("1.0", "1.1"):
        return "505 HTTP Version Not Supported"
    if method == b"CONNECT":  # after which httptools reads no HTTP any more
        return "405 Method Not Allowed"
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return _BAD
    return _coding_fault(version, headers)


def _coding_fault(version: str, headers: Headers) -> str | None:
    """httptools takes any list that ends with "chunked", and in HTTP/1.0 too, which has none."""
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    plain = not codings or (codings == [b"chunked"] and version == "1.1")
    return None if plain else _BAD


def without_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """The head of the same request for HTTP/1 as it is, which a server is free to stay with.

    httptools gives no body of a request that asks for another protocol.
    """
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])
