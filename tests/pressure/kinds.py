"""The kinds of pressure. Each is bounded in number and time, and says what it has seen."""

import asyncio
import contextlib
import resource
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tests.end_to_end.processes import HOST
from tests.pressure.malformed import KINDS as MALFORMED
from tests.pressure.other import GET

PER_ADDRESS_MAX = 20_000
"""So many connections from one of loopback's addresses: the kernel gives some 28,000 ports."""

ANSWER_S = 15.0
SLOW_EVERY_S = 0.5
AT_ONCE = 200

Seen = Counter[str]
Pressure = Callable[[int, float], Coroutine[Any, Any, Seen]]
"""Presses on a port of loopback, for so many seconds."""


def more_descriptors() -> None:
    """As many as the hard limit allows: the client's ends take as many as the server's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def idle(count: int) -> Pressure:
    """Connections on which nothing is ever said."""

    async def press(port: int, seconds: float) -> Seen:
        more_descriptors()
        held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for begin in range(0, count, AT_ONCE):
            coming = [_connect(port, number) for number in range(begin, min(begin + AT_ONCE, count))]
            held += await asyncio.gather(*coming)
        await asyncio.sleep(seconds)
        seen = Seen(held=sum(not reader.at_eof() for reader, _ in held))
        for _, writer in held:
            writer.close()
        return seen

    return press


def slow(count: int) -> Pressure:
    """Clients that send a byte of a store every half second. Whoever is thrown out comes again."""

    async def press(port: int, seconds: float) -> Seen:
        seen, end_s = Seen(), time.monotonic() + seconds

        async def one(number: int) -> None:
            while time.monotonic() < end_s:
                reader, writer = await _connect(port, number)
                answer = asyncio.ensure_future(reader.read())
                for byte in b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 1\r\n\r\n7":
                    if answer.done() or time.monotonic() > end_s:
                        break
                    writer.write(bytes((byte,)))
                    await asyncio.sleep(SLOW_EVERY_S)
                with contextlib.suppress(ConnectionError, TimeoutError):
                    seen[_status(await asyncio.wait_for(answer, ANSWER_S if answer.done() else 0.1))] += 1
                writer.close()

        await asyncio.gather(*map(one, range(count)))
        return seen

    return press


def churn(count: int) -> Pressure:
    """Clients that come and go as fast as they can: some say nothing, some read, some are gone with a reset."""

    async def press(port: int, seconds: float) -> Seen:
        seen, end_s = Seen(), time.monotonic() + seconds

        async def one(number: int) -> None:
            turn = number
            while time.monotonic() < end_s:
                turn += 1
                reader, writer = await _connect(port, number)
                if turn % 3:
                    writer.write(GET)
                if turn % 3 == 1:
                    seen[_status(await reader.readline())] += 1
                elif turn % 2:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.close()
                seen["connections"] += 1

        await asyncio.gather(*map(one, range(count)))
        return seen

    return press


def strangers(count: int, per_s: float, tls: ssl.SSLContext | None) -> Pressure:
    """Clients that are not let in, and try again and again, so many times a second each: by TLS, or without."""

    async def press(port: int, seconds: float) -> Seen:
        seen, end_s = Seen(), time.monotonic() + seconds
        name = None if tls is None else HOST

        async def one(_number: int) -> None:
            while time.monotonic() < end_s:
                due_s = time.monotonic() + 1 / per_s
                answer = b""
                try:
                    reader, writer = await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=name)
                    writer.write(b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 9\r\n\r\n999999999")
                    answer = await asyncio.wait_for(reader.read(65536), ANSWER_S)
                    writer.close()
                except (ssl.SSLError, ConnectionError, TimeoutError):
                    pass
                seen["answered" if b"HTTP" in answer else "turned away"] += 1
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

        await asyncio.gather(*map(one, range(count)))
        return seen

    return press


def malformed(times: int, kinds: Mapping[str, bytes] = MALFORMED) -> Pressure:
    """Requests that are none: each kind so often, until all are sent, however many seconds that takes."""

    async def press(port: int, _seconds: float) -> Seen:
        seen = Seen()

        async def one(name: str, data: bytes) -> None:
            reader, writer = await _connect(port, 0)
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            answer = b""
            with contextlib.suppress(ConnectionError):
                try:
                    answer = await asyncio.wait_for(reader.read(), ANSWER_S)
                except TimeoutError:
                    seen[f"no end: {name}"] += 1
            seen[_status(answer)] += 1
            if answer.startswith(b"HTTP/1.1 200 "):
                seen[f"answered 200: {name}"] += 1
            writer.close()

        for _ in range(times):
            await asyncio.gather(*(one(name, data) for name, data in kinds.items()))
        return seen

    return press


def _connect(port: int, number: int) -> Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Loopback has many addresses; one has too few ports for a crowd."""
    own = f"127.0.0.{2 + number // PER_ADDRESS_MAX}"
    return asyncio.open_connection(HOST, port, local_addr=(own, 0))


def _status(answer: bytes) -> str:
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "closed"
