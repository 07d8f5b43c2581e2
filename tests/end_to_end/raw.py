"""Raw connections: for tests that say every byte themselves."""

import contextlib
import socket
from types import TracebackType
from typing import Self

from tests.end_to_end.processes import HOST, Answer


class RawConnection:
    """A socket to a server on 127.0.0.1, and a reader of the answers that come back."""

    def __init__(self, port: int, timeout_s: float = 20.0) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=timeout_s)
        self._reader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer. Every one must say how long it is."""
        version, status, _ = self._reader.readline().decode("ascii").split(" ", 2)
        assert version == "HTTP/1.1"
        headers: dict[str, str] = {}
        while line := self._reader.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if int(status) == 100:
            return Answer(100, "", headers)
        length = 0 if method == "HEAD" else int(headers["content-length"])
        return Answer(int(status), self._reader.read(length).decode("utf-8"), headers)

    def rest(self) -> bytes:
        """All that comes until the server closes; a reset is a close as well."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := self._reader.read1():
                received += data
        return received


def get(path: str = "/", method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: grid\r\n{headers}\r\n".encode("ascii")


def post(body: bytes, length: int | str | None = None, headers: str = "") -> bytes:
    """A POST whose Content-Length may lie."""
    declared = len(body) if length is None else length
    return f"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: {declared}\r\n{headers}\r\n".encode("ascii") + body


def post_chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: grid\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
