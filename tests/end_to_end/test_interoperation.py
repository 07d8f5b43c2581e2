"""Our control over vaults of the original's kind, and a control of the original's kind over our vaults.

The originals know no guard, no identity and no limit. They answer from a thread a request, as HTTP/1.0 without a
length or as HTTP/1.1 with one, and read a value by `int()`, so that `+5` is one.
"""

import contextlib
import http.server
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.processes import HOST, Servers, Vault, ask, free_port, sent, using, wait_until

# ---- vaults of the original's kind


class OriginalHandler(http.server.BaseHTTPRequestHandler):
    server: "OriginalVault"
    wbufsize = -1  # head and body in one packet, else each answer waits for an acknowledgement of TCP's

    def do_GET(self) -> None:
        self._answer(200, str(self.server.value))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            value = int(body.decode("utf-8"))
        except ValueError:
            self._answer(400, "Invalid or missing POST body")
            return
        self.server.bodies.append(body)
        self.server.value = value
        self._answer(200, str(value))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        if self.protocol_version == "HTTP/1.1":
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode("ascii"))


class OriginalHandler11(OriginalHandler):
    protocol_version = "HTTP/1.1"


class OriginalVault(http.server.ThreadingHTTPServer):
    """In memory, and as trusting as the original."""

    daemon_threads = True

    def __init__(self, handler: type[OriginalHandler]) -> None:
        super().__init__((HOST, 0), handler)
        self.value = 0
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server_address[1]}"


@contextlib.contextmanager
def original_vaults(*handlers: type[OriginalHandler]) -> Iterator[list[OriginalVault]]:
    with contextlib.ExitStack() as stack:
        vaults = [stack.enter_context(OriginalVault(handler)) for handler in handlers]
        for vault in vaults:
            threading.Thread(target=vault.serve_forever, daemon=True).start()
            stack.callback(vault.shutdown)
        yield vaults


@pytest.mark.parametrize("handler", [OriginalHandler, OriginalHandler11])
def test_control_over_original_vaults(handler: type[OriginalHandler], servers: Servers, protocol: str) -> None:
    with original_vaults(handler, handler, handler) as vaults:
        control = servers.control([vault.address for vault in vaults], using(protocol)).restart()
        assert ask(control.port).plain == (200, "0")
        for value in range(1, 16):
            assert ask(control.port, "POST", str(value)).plain in sent(protocol, 3)
            assert ask(control.port).plain == (200, str(value))
        wait_until(lambda: [vault.value for vault in vaults] == [15, 15, 15], "the slowest one has the last value")
        # What they would take, no client of ours gets through to them.
        for no_value in ["+16", "1_6", " \uff11\uff16 ", "-16", "0"]:
            assert ask(control.port, "POST", no_value.encode()).status == 400
        assert ask(control.port, "POST", "14").status == 400
        for vault in vaults:
            numbers = [int(body) for body in vault.bodies]
            assert vault.bodies == [b"%d" % number for number in numbers]
            if protocol == "classic":
                assert numbers == list(range(1, 16))
            else:  # a slow one is sent the largest of what waits, and may be sent a value twice
                assert numbers == sorted(numbers)
                assert numbers[-1] == 15


def test_one_original_vault_gone(servers: Servers, protocol: str) -> None:
    with original_vaults(OriginalHandler, OriginalHandler11) as vaults:
        addresses = [*(vault.address for vault in vaults), f"{HOST}:{free_port()}"]
        control = servers.control(addresses, using(protocol)).restart()
        assert ask(control.port, "POST", "5").plain in sent(protocol, 2)
        assert ask(control.port).plain == (200, "5")


def test_originals_and_ours_in_one_grid(servers: Servers, protocol: str) -> None:
    with original_vaults(OriginalHandler, OriginalHandler11) as originals:
        ours = servers.vault().restart()
        control = servers.control([*(vault.address for vault in originals), ours.address], using(protocol)).restart()
        for value in range(1, 11):
            assert ask(control.port, "POST", str(value)).plain in sent(protocol, 3)
        ours.kill()
        assert ask(control.port, "POST", "11").plain in sent(protocol, 2)
        assert ask(control.port).plain == (200, "11")


class LyingHandler(OriginalHandler11):
    """Says 200 to everything, with the text that the test has set."""

    text = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, self.text)

    do_GET = do_POST


def test_an_answer_that_is_not_the_value_is_no_acknowledgement(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    ours = servers.vault().start()
    monkeypatch.setattr(LyingHandler, "text", "4")  # no lie yet: an atomic control sends nothing before it has read
    with original_vaults(LyingHandler, LyingHandler) as vaults:
        control = servers.control([ours.address, *(vault.address for vault in vaults)], using(protocol)).restart()
        ours.wait_ready()
        assert ask(control.port).plain == (200, "4")
        for text in ["", "OK", "6", "+5", "5" * 100, "-1", "5\x00", "5 5"]:
            monkeypatch.setattr(LyingHandler, "text", text)
            assert ask(control.port, "POST", "5").plain in sent(protocol, 1), text
            if text != "6":  # two that say 6 are a majority, whatever they hold
                assert ask(control.port).plain == (500, "-1"), text


# ---- a control of the original's kind


class OriginalControl:
    """A thread and a new connection a request, a second for each vault, unguarded stores, a majority of equals."""

    def __init__(self, vaults: list[Vault]) -> None:
        self._urls = [f"http://{vault.address}/" for vault in vaults]
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._majority = len(vaults) // 2 + 1

    def write(self, value: int) -> bool:
        answers = self._ask_all(str(value).encode("ascii"))
        return sum(answer is not None for answer in answers) >= self._majority

    def read(self) -> int:
        answers = Counter(int(answer) for answer in self._ask_all(None) if answer is not None)
        value, holders = answers.most_common(1)[0] if answers else (-1, 0)
        return value if holders >= self._majority else -1

    def _ask_all(self, body: bytes | None) -> list[str | None]:
        with ThreadPoolExecutor(len(self._urls)) as threads:
            return list(threads.map(lambda url: self._ask(url, body), self._urls))

    def _ask(self, url: str, body: bytes | None) -> str | None:
        try:
            with self._opener.open(url, body, timeout=1.0) as answer:
                return str(answer.read(), "ascii") if answer.status == 200 else None
        except (urllib.error.URLError, OSError):
            return None


@pytest.fixture
def vaults(servers: Servers) -> list[Vault]:
    made = [servers.vault().start() for _ in range(3)]
    return [vault.wait_ready() for vault in made]


@pytest.mark.thorough
def test_original_control_over_our_vaults(vaults: list[Vault]) -> None:
    control = OriginalControl(vaults)
    assert control.read() == 0
    for value in range(1, 16):
        assert control.write(value)
        assert control.read() == value

    # It may decrease the value: a vault stores that too, and says so.
    assert control.write(7)
    assert control.read() == 7
    assert all("Value decreases from 15 to 7" in vault.log for vault in vaults)

    vaults[0].stop()
    assert control.write(16)
    assert control.read() == 16
    vaults[1].kill()
    assert not control.write(17)
    assert control.read() == -1
    vaults[0].cont()
    vaults[1].restart()
    assert control.write(18)
    assert control.read() == 18


def curl(*arguments: str) -> str:
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "10", *arguments],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_curl_at_every_server(vaults: list[Vault], servers: Servers, protocol: str) -> None:
    """`curl -d 5` says that its body is a form; a body is what it is."""
    url = f"http://{vaults[0].address}/"
    assert curl("-d", "5", url) == "5"
    assert curl("-X", "POST", "--data-binary", "6\n", url) == "6"
    assert curl(url) == "6"
    assert curl("-d", "4", url) == "4"
    assert curl("-H", "Glitchgrid-Guard: increase", "-d", "3", "-w", " %{http_code}", url) == "4 412"
    assert "content-length: 1" in curl("-I", url).lower()
    control = servers.control([vault.address for vault in vaults], using(protocol)).restart()
    url = f"http://{control.address}/"
    written = {text for _, text in sent(protocol, 3)}
    assert curl("-d", "7", url) in written
    assert curl(url) == "7"
    assert curl("-d", "value=8", "-w", " %{http_code}", url) == "Invalid or missing POST body 400"
    assert curl("-H", "Transfer-Encoding: chunked", "-d", "8", url) in written
    assert curl("--http1.0", url) == "8"


def test_client_that_says_no_more_than_it_must(vaults: list[Vault]) -> None:
    """HTTP/1.0 without a Host: the answer ends with its connection."""
    with socket.create_connection((HOST, vaults[0].port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n5")
        received = b"".join(iter(lambda: client.recv(1000), b""))
    assert received.startswith(b"HTTP/1.")
    assert received.partition(b"\r\n")[0].split(b" ")[1] == b"200"
    assert received.endswith(b"\r\n\r\n5")
