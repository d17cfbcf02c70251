"""Load from a process of its own: a job as JSON on stdin, what became of each request on stdout.

    closed   {"connections", "seconds"}: each connection asks again when it has its answer
    trickle  {"connections", "seconds"}: requests of which a byte comes a second

The job also has address, bodies (bytes of JSON, as text), expected (the bodies' embeddings as
base64) and path. Only the standard library, so that the client takes little of the machine.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from itertools import count
from time import perf_counter
from typing import Any


class UnansweredError(Exception):
    """The connection ended before a byte of the answer: the request was not accepted."""


class Connection(asyncio.Protocol):
    """A connection kept alive; no streams, which take twice the time."""

    def __init__(self) -> None:
        self.open = True
        self._received = b""
        self._answer: asyncio.Future[tuple[int, dict[str, str], bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            error = EOFError() if self._received else UnansweredError()
            self._answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        line, *own = head.decode().split("\r\n")
        headers = dict(header.split(": ", 1) for header in own)
        if len(body) < int(headers["content-length"]):
            return
        self._received = b""
        self.open = self.open and headers.get("connection") != "close"
        assert self._answer is not None
        self._answer.set_result((int(line.split()[1]), headers, body))

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body. EOFError: the answer was cut."""
        if self._transport.is_closing():
            raise UnansweredError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


class Load:
    """The requests of one job."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.numbers = count()
        self.records: list[dict[str, Any]] = []

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *self.job["address"])
        return connection

    async def ask(self, connection: Connection) -> None:
        number = next(self.numbers)
        which = number % len(self.job["bodies"])
        name = f"{self.job.get('name', 'load')}-{number}"
        record: dict[str, Any] = {"id": name, "status": None}
        began = perf_counter()
        try:
            status, headers, body = await connection.ask(self._request(name, which))
        except UnansweredError:
            connection.open = False
        except (EOFError, ConnectionError):
            connection.open = False
            record["status"] = "cut"
        else:
            record |= {"status": status, "retry_after": headers.get("retry-after")}
            record["echoed"] = headers.get("x-request-id") == name
            if status == 200:
                got = json.loads(body)["data"][0]["embedding"]
                record["right"] = got == self.job["expected"][which]
        record["seconds"] = perf_counter() - began
        self.records.append(record)

    def _request(self, name: str, which: int) -> bytes:
        body = self.job["bodies"][which].encode()
        head = f"POST {self.job['path']} HTTP/1.1\r\nhost: x\r\nx-request-id: {name}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def closed(self) -> None:
        """Until the time is over, or the server is."""
        end = perf_counter() + self.job["seconds"]
        await asyncio.gather(*(self._again(end) for _ in range(self.job["connections"])))

    async def _again(self, end: float) -> None:
        connection = None
        while perf_counter() < end:
            if connection is None or not connection.open:
                try:
                    connection = await self.connect()
                except ConnectionError:
                    return
            await self.ask(connection)

    async def trickle(self) -> None:
        """Each its own kind of slowness; a record of how long each connection stayed."""
        head = self._request("slow", 0).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        chunked = head.replace(b"content-length", b"x") + b""
        chunked = chunked.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n1\r\n")
        kinds = [(b"", head * 9), (head, b" " * 99), (chunked, b"{" * 99), (b"", b"\r\n" * 50)]
        slow = (self._trickle(*kinds[n % len(kinds)], n) for n in range(self.job["connections"]))
        await asyncio.gather(*slow)

    async def _trickle(self, first: bytes, rest: bytes, number: int) -> None:
        reader, writer = await asyncio.open_connection(*self.job["address"])
        began = perf_counter()
        writer.write(first)
        end = asyncio.ensure_future(reader.read())
        await asyncio.sleep(number % 100 / 100)  # not all at the same moment
        for byte in rest[: self.job["seconds"]]:
            writer.write(bytes([byte]))
            await asyncio.wait([end], timeout=1)
            if end.done():
                break
        await asyncio.wait([end], timeout=1)
        seconds = perf_counter() - began if end.done() else None
        end.cancel()
        self.records.append({"seconds": seconds})


def main() -> None:
    """One job."""
    job = json.load(sys.stdin)
    gc.disable()  # it would look through a hundred thousand records while answers wait
    load = Load(job)
    asyncio.run(getattr(load, job["mode"])())
    json.dump(load.records, sys.stdout)


if __name__ == "__main__":
    main()
