"""The obvious way to build a grid: threads and the standard library, values in memory.

It is what the grid is measured against, so it is neither tuned nor hobbled: a thread for a client's connection, a
pool of threads that ask the vaults, urllib for asking, the votes counted when all have come. A connection carries
one request (HTTP/1.0), as the standard library has it unless told otherwise; kept open it was hardly faster, and
its threads took requests so far out of order that a quarter of the writes got a 400. Two of the library's defaults
are mended, because to leave them would make a straw man: more than five connections may wait to be accepted, and
an answer leaves in one segment.

It runs as a program, and imports nothing but the standard library:

    python benchmarks/threaded_grid.py vault PORT
    python benchmarks/threaded_grid.py control PORT VAULT_URL VAULT_URL VAULT_URL
"""

import contextlib
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VAULT_TIMEOUT_S = 1.0
ASKING_THREADS_PER_VAULT = 8
BACKLOG = 1024
BODY_BYTES_MAX = 64

Answer = tuple[int, str]


class Server(ThreadingHTTPServer):
    request_queue_size = BACKLOG
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and has `read` or `write` of the program's own answer it."""

    wbufsize = -1
    read: Callable[[], Answer]
    write: Callable[[int], Answer]

    def do_GET(self) -> None:
        self._answer(*type(self).read())

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX))
        if body.strip().isdigit():
            self._answer(*type(self).write(int(body)))
        else:
            self._answer(400, "Invalid or missing POST body")

    def log_message(self, *arguments: Any) -> None:
        """A line a request would be a load of its own."""

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode("ascii"))


class Vault:
    """One value, in memory alone."""

    def __init__(self) -> None:
        self._value = 0

    def read(self) -> Answer:
        return 200, str(self._value)

    def write(self, value: int) -> Answer:
        if value < self._value:
            print(f"Value decreases from {self._value} to {value}", file=sys.stderr)
        self._value = value
        return 200, str(value)


class Control:
    """Asks every vault at once, waits for all of them, counts."""

    def __init__(self, vaults: Sequence[str]) -> None:
        self._vaults = vaults
        self._threads = ThreadPoolExecutor(ASKING_THREADS_PER_VAULT * len(vaults))
        self._latest = 0

    def read(self) -> Answer:
        [(value, votes)] = Counter(self._ask(None)).most_common(1) or [("", 0)]
        return (200, value) if self._is_majority(votes) else (500, "-1")

    def write(self, value: int) -> Answer:
        if value < self._latest:
            return 400, f"Client would make value decrease from {self._latest} to {value}"
        acknowledged = len(self._ask(str(value).encode("ascii")))
        committed = self._is_majority(acknowledged)
        if committed:
            self._latest = max(self._latest, value)
        return 200 if committed else 500, f"Sent updates to {acknowledged}/{len(self._vaults)} vaults"

    def _ask(self, body: bytes | None) -> list[str]:
        answers = self._threads.map(lambda vault: _ask_one(vault, body), self._vaults)
        return [answer for answer in answers if answer is not None]

    def _is_majority(self, count: int) -> bool:
        return count > len(self._vaults) // 2


def _ask_one(vault: str, body: bytes | None) -> str | None:
    try:
        with urllib.request.urlopen(vault, body, VAULT_TIMEOUT_S) as answer:
            text: str = answer.read().decode("ascii")
            return text
    except OSError:
        return None


def main(arguments: Sequence[str]) -> None:
    program, port, *vaults = arguments
    face: Vault | Control = Vault() if program == "vault" else Control(vaults)
    Handler.read, Handler.write = face.read, face.write
    with contextlib.suppress(KeyboardInterrupt):
        Server(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
