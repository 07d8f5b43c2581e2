"""Somebody else, who is to notice as little as possible: reads so many times a second, and says how long that took.

A process of its own, ``python -m tests.pressure.other``, so that whoever presses does not hold it up.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.end_to_end.processes import HOST

PER_S = 50
GET = b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n"
ROOT = Path(__file__).parents[2]


@frozen
class Waits:
    """How long its requests took, in milliseconds. `failed` had no 200."""

    ms: list[float] = field(factory=list)
    failed: int = 0

    @property
    def p99_ms(self) -> float:
        return sorted(self.ms)[int(0.99 * (len(self.ms) - 1))]


@frozen
class Client:
    """Files of PEM; none to ask without TLS."""

    ca: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def tls(self) -> ssl.SSLContext | None:
        if not self.ca:
            return None
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


WITHOUT_TLS = Client()


class Reading:
    """What comes of it. `waits` is there once it has ended."""

    waits: Waits


@asynccontextmanager
async def reading(port: int, client: Client) -> AsyncIterator[Reading]:
    """Have it read until the end of the block."""
    read = Reading()
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pressure.other", str(port), client.ca, client.certificate, client.key),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield read
    finally:
        told, _ = await other.communicate(b"")
    read.waits = Waits(**json.loads(told))


async def read(port: int, tls: ssl.SSLContext | None) -> Waits:
    """Over one connection, until standard input ends. The next request is due a while after this one was, or now."""
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    name: Any = None if tls is None else HOST
    reader, writer = await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=name)
    took, failed = [], 0
    due_s = time.monotonic()
    while not ended.done():
        asked_s = time.monotonic()
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        took.append(1000 * (time.monotonic() - asked_s))
        failed += not head.startswith(b"HTTP/1.1 200 ")
        due_s = max(due_s + 1 / PER_S, time.monotonic())
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    writer.close()
    return Waits(took, failed)


if __name__ == "__main__":
    port, *files = sys.argv[1:]
    waits = asyncio.run(read(int(port), Client(*files).tls))
    print(json.dumps({"ms": waits.ms, "failed": waits.failed}))
