"""What a server takes from a client: how much, for how long, and what it says to what it does not take."""

import contextlib
import http.client
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.processes import HOST, SLACK_S, Server, Servers, ask, ask_over
from tests.end_to_end.raw import RawConnection, get, post, post_chunked

REQUEST_TIMEOUT_S = 10.0
BYTE_EVERY_S = 1.0
BODY_BYTES_MAX = 64
TOO_LARGE = (413, "POST body is too large")
NO_VALUE = (400, "Invalid or missing POST body")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """A vault, and a control with another one: both have the same limits."""
    with Servers(tmp_path_factory.mktemp("limits")) as made:
        vault, behind = made.vault(), made.vault()
        # The longest time-out: a crowd on a busy machine is to be told from one that is lost.
        control = made.control([behind.address], ["--vault-timeout", "4"])
        for server in (vault, behind, control):
            server.start()
        for server in (vault, behind, control):
            server.wait_ready()
        yield {"vault": vault, "control": control}
        assert made.bugs() == []


@pytest.fixture(params=["vault", "control"])
def server(request: pytest.FixtureRequest, both: dict[str, Server]) -> Server:
    return both[request.param]


def held(server: Server) -> int:
    answer = ask(server.port)
    assert answer.status == 200
    return int(answer.body)


# ---- time


class SlowClient(threading.Thread):
    """Sends one part at once, reads so many answers, sends the rest by a byte a second, and waits for the end."""

    def __init__(self, port: int, at_once: bytes, trickle: bytes, answers: int = 0) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._at_once = at_once
        self._trickle = trickle
        self._answers = answers
        self.ended_after_s = 0.0
        self.received = b""

    def run(self) -> None:
        with RawConnection(self._port, REQUEST_TIMEOUT_S + SLACK_S) as client:
            began = time.monotonic()
            client.send(self._at_once)
            for _ in range(self._answers):
                client.answer()
            ended = threading.Event()
            sender = threading.Thread(target=self._send_slowly, args=(client, ended), daemon=True)
            sender.start()
            with contextlib.suppress(TimeoutError):
                self.received = client.rest()
            self.ended_after_s = time.monotonic() - began
            ended.set()
            sender.join()

    def _send_slowly(self, client: RawConnection, ended: threading.Event) -> None:
        with contextlib.suppress(OSError):
            for byte in self._trickle:
                client.send(bytes([byte]))
                if ended.wait(BYTE_EVERY_S):
                    return


@pytest.mark.thorough
def test_slow_senders_are_turned_away(both: dict[str, Server]) -> None:
    """All of them at one time, for each takes its ten seconds."""
    vault, control = both["vault"], both["control"]
    before = held(vault), held(control)
    head = get(headers=f"X: {'x' * 100}\r\n")
    long_body = post(b" " * 59 + b"7")
    chunked = post_chunked(*[b" "] * 30, b"7")
    clients = {
        "request line": SlowClient(vault.port, b"", b"GET /" + b"x" * 100),
        "head": SlowClient(control.port, b"", head),
        "body": SlowClient(vault.port, long_body[:-50], long_body[-50:]),
        "body in chunks": SlowClient(control.port, chunked[:-150], chunked[-150:]),
        "second request": SlowClient(vault.port, get(), head, answers=1),
        "second request's body": SlowClient(control.port, get() + long_body[:-50], long_body[-50:], answers=1),
        "nothing more": SlowClient(vault.port, get() + b"P", b"", answers=1),
    }
    for client in clients.values():
        client.start()
    for name, client in clients.items():
        client.join(REQUEST_TIMEOUT_S + 20)
        assert not client.is_alive(), name
        assert REQUEST_TIMEOUT_S - 1 < client.ended_after_s < REQUEST_TIMEOUT_S + SLACK_S, (name, client.ended_after_s)
        assert client.received == b"" or client.received.startswith(b"HTTP/1.1 408 "), (name, client.received)
    assert (held(vault), held(control)) == before


# ---- size


BEYOND = {
    "65 bytes": post(b"9".rjust(BODY_BYTES_MAX + 1)),
    "announced alone": post(b"", length=10**18),
    "announced with 5000 digits": post(b"", length="1" * 5000),
    "announced and expected": post(b"", length=10**7, headers="Expect: 100-continue\r\n"),
    "65 bytes in a chunk": post_chunked(b"9".rjust(BODY_BYTES_MAX + 1)),
    "65 bytes in chunks": post_chunked(b" " * 30, b" " * 34, b"9"),
    "chunks without an end": post_chunked(*[b"9"] * 100, end=b""),
}


def test_body_limit(server: Server) -> None:
    value = b"%d" % (held(server) + 1)
    longest = value.rjust(BODY_BYTES_MAX)
    for request_bytes in [post(longest), post_chunked(longest), post_chunked(longest[:30], longest[30:])]:
        with RawConnection(server.port) as client:
            client.send(request_bytes)
            assert client.answer().status == 200
    for name, request_bytes in BEYOND.items():
        with RawConnection(server.port) as client:
            client.send(request_bytes)
            assert client.answer().plain == TOO_LARGE, name
            assert client.rest() == b"", name
    assert held(server) == int(value)


def test_client_that_sends_ten_megabytes_reads_its_413(server: Server) -> None:
    """A close with unread bytes would be a reset, and the reset would take the answer with it."""
    before = held(server)
    for request_bytes in [post(b"1" * 10_000_000), post_chunked(*[b"1" * 100_000] * 100)]:
        with RawConnection(server.port) as client:
            with contextlib.suppress(ConnectionError):
                client.send(request_bytes)
            assert client.answer().plain == TOO_LARGE
    assert held(server) == before


# ---- keep-alive


def test_one_connection_carries_200_requests(server: Server) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.connect()
    socket_at_first = connection.sock
    base = held(server)
    for value in range(base + 1, base + 101):
        assert ask_over(connection, "POST", str(value)).status == 200
        assert ask_over(connection).plain == (200, str(value))
    assert connection.sock is socket_at_first  # http.client would have opened another behind a close
    connection.close()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    requests: list[tuple[str, bytes, tuple[int, str] | int]] = []
    base = held(server)
    for value in range(base + 1, base + 41):
        requests += [
            ("POST", post(b"%d" % value), 200),
            ("GET", get(), (200, str(value))),
            ("HEAD", get(method="HEAD"), (200, "")),
            ("POST", post(b"nonsense"), NO_VALUE),
            ("GET", get("/elsewhere"), 404),
            ("PUT", get(method="PUT"), 405),
        ]
    with RawConnection(server.port) as client:
        client.send(b"".join(request_bytes for _, request_bytes, _ in requests))
        for method, _, expected in requests:
            answer = client.answer(method)
            assert expected == (answer.status if isinstance(expected, int) else answer.plain)


def test_requests_byte_by_byte(server: Server) -> None:
    """However the network cuts it, a request is the same."""
    base = held(server)
    with RawConnection(server.port) as client:
        for request_bytes in [post(b"%d\n" % (base + 1)), post_chunked(b" ", b"%d" % (base + 2)), get()]:
            for byte in request_bytes:
                client.send(bytes([byte]))
            assert client.answer().status == 200
    assert held(server) == base + 2


def test_connection_close_is_kept(server: Server) -> None:
    with RawConnection(server.port) as client:
        client.send(get(headers="Connection: close\r\n"))
        assert client.answer().status == 200
        assert client.rest() == b""


# ---- the table of answers, as bytes


def test_what_is_no_value_is_refused(server: Server) -> None:
    no_values = [
        b"", b"0", b"-1", b"+5", b"1_000", b"1.0", b"1e3", b"0x10", b"5 5", b"a", b"value=5", b"\x005", b"5\x00",
        b"9223372036854775808", b"1" * 64, "\u0665".encode(), "\uff15".encode(), b"\xff", b"5\x0b", b"\xc2\xa05",
    ]  # fmt: skip
    before = held(server)
    for no_value in no_values:
        assert ask(server.port, "POST", no_value).plain == NO_VALUE, no_value
    assert held(server) == before


CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=5",
    "application/json",
    "text/plain; charset=utf-16",
    "nonsense",
]


@pytest.mark.parametrize("program", ["vault", "control"])
def test_values_are_read_whatever_surrounds_them(servers: Servers, program: str) -> None:
    vault = servers.vault().restart()
    server = vault if program == "vault" else servers.control([vault.address]).restart()
    for body, value in [(b"1", "1"), (b" 2\n", "2"), (b"\t\r\n3\r\n", "3"), (b"0004", "4")]:
        assert ask(server.port, "POST", body).status == 200
        assert ask(server.port).plain == (200, value)
    for number, content_type in enumerate(CONTENT_TYPES, start=5):
        assert ask(server.port, "POST", str(number), {"Content-Type": content_type}).status == 200, content_type
        assert ask(server.port).plain == (200, str(number))
    assert ask(server.port, "POST", b"9223372036854775807").status == 200
    assert ask(server.port).plain == (200, "9223372036854775807")


def test_other_paths_and_methods(server: Server) -> None:
    before = held(server)
    with RawConnection(server.port) as client:
        for path in [
            "/x",
            "//",
            "/./",
            "/healthz",
            "/readyz/",
            "/status/",
            "/metrics/",
            "/ui/",
            "/%ff",
            "/?a=b/../c/x",
        ]:
            client.send(get(path))
            answer = client.answer()
            if path.startswith("/?"):
                assert answer.status == 200  # a query is no other path
                continue
            assert answer.status == 404, path
            assert answer.headers["content-type"].startswith("text/plain")
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"]:
            client.send(get(method=method))
            answer = client.answer()
            assert answer.status == 405, method
            assert answer.headers["allow"] == "GET, HEAD, POST"
            assert answer.headers["content-type"].startswith("text/plain")
        client.send(get(method="HEAD"))
        head = client.answer("HEAD")
        client.send(get())
        assert (head.status, head.headers["content-length"]) == (200, str(len(str(before))))
        assert client.answer().plain == (200, str(before))


def test_whatever_the_host_is_called(server: Server) -> None:
    before = held(server)
    with RawConnection(server.port) as client:
        for host in [b"", b"grid:8000", b"[::1]:1", b"a_b", b"%ff", b"x" * 300]:
            client.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            assert client.answer().plain == (200, str(before)), host


# ---- garbage

GARBAGE = {
    "no HTTP": b"hello\r\n\r\n",
    "three words": b"one two three\r\n\r\n",
    "TLS": b"",
    "zeros": b"\0" * 1000,
    "line breaks": b"\r\n" * 1000,
    "endless line": b"GET /" + b"x" * 100_000,
    "endless field": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000,
    "many fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 10_000,
    "field without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
    "field without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "folded field": b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n1",
    "length that is no number": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\n1",
    "length with a sign": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n1",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "no coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n1",
    "line feed in a field": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 1\r\n\r\n1",
    "unknown coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n1",
    "bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n1\r\n0\r\n\r\n",
    "negative chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n1\r\n0\r\n\r\n",
    "endless chunk length": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000,
    "chunk that is longer than it says": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\n123\r\n0\r\n\r\n",
    "version of tomorrow": b"GET / HTTP/9.9\r\n\r\n",
    "path that is no path": b"GET nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
    "whole address": b"GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "odd host": b"GET / HTTP/1.1\r\nHost: \xff\x00:x:y\r\n\r\n",
    "HTTP 0.9": b"GET /\r\n\r\n",
}


def test_garbage_is_answered_or_closed_and_hurts_nobody(server: Server) -> None:
    """Whatever comes, the answer is HTTP with a length or a close, the log has no traceback, and the next is served."""
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="grid").do_handshake()
    before = held(server)
    noise = random.Random(20)
    garbage = {**GARBAGE, "TLS": hello.read()}
    garbage |= {f"noise {number}": noise.randbytes(noise.randrange(1, 3000)) for number in range(50)}
    for name, request_bytes in garbage.items():
        with RawConnection(server.port) as client:
            with contextlib.suppress(OSError):
                client.send(request_bytes + b"\r\n\r\n")
                client.socket.shutdown(1)
            received = client.rest()
        if received:
            head, _, _ = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1."), (name, received)
            assert b"\r\ncontent-length:" in head.lower(), (name, received)
            assert 200 <= int(head.split(b" ")[1]) < 500, (name, received)
        assert ask(server.port).status == 200, name
    assert held(server) == before, "something of it was taken for a store"
    assert server.bugs() == []


def test_a_crowd_need_not_wait_to_be_accepted(servers: Servers) -> None:
    """While the server is stopped only the kernel takes connections: as many as its queue may hold."""
    vault = servers.vault().restart()
    vault.stop()
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection((HOST, vault.port), timeout=2))


def test_many_clients_at_one_time(server: Server) -> None:
    """A crowd is no fault: each of its members is answered, by control as by a vault."""
    before = held(server)
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawConnection(server.port)) for _ in range(200)]
            for client in clients:
                client.send(get())
            assert {client.answer().plain for client in clients} == {(200, str(before))}
