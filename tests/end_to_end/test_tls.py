"""A grid with TLS: real servers, real certificates, and what strangers get from it."""

import contextlib
import http.client
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.end_to_end.processes import HOST, Control, Grid, Server, Servers, Vault, ask, twistd_fails, wait_until

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
TIMEOUT_S = 60
ANSWER_S = 5.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


def server_options(own: tuple[Path, Path]) -> list[str]:
    return ["--tls-cert", str(own[0]), "--tls-key", str(own[1])]


def client_options(authority: Authority, own: tuple[Path, Path]) -> list[str]:
    return ["--vault-ca", str(authority.file), "--client-cert", str(own[0]), "--client-key", str(own[1])]


class SecuredGrid:
    """Three vaults that take nobody but control, and a control that takes nobody but those with a certificate."""

    def __init__(self, servers: Servers, authority: Authority) -> None:
        self.authority = authority
        self.own = authority.issue("server", HOST)
        self.me = authority.issue("me", "me")
        self.tls = authority.client(self.me)
        closed = [*server_options(self.own), "--tls-client-ca", str(authority.file)]
        vaults = [servers.vault(options=closed) for _ in range(3)]
        control = servers.control([each.address for each in vaults], [*closed, *client_options(authority, self.me)])
        self.grid = Grid(control, vaults)
        for server in self.all:
            server.tls = self.tls
            server.restart()

    @property
    def all(self) -> list[Server]:
        return [*self.grid.vaults, self.grid.control]

    def read(self) -> tuple[int, str]:
        return ask(self.grid.control.port, tls=self.tls).plain

    def write(self, value: int) -> int:
        return ask(self.grid.control.port, "POST", str(value), tls=self.tls).status


@pytest.fixture
def secured(servers: Servers, authority: Authority) -> SecuredGrid:
    return SecuredGrid(servers, authority)


@pytest.fixture
def closed(servers: Servers, authority: Authority) -> Vault:
    """A vault that takes nobody without a certificate."""
    own = authority.issue("server", HOST)
    vault = servers.vault(options=[*server_options(own), "--tls-client-ca", str(authority.file)])
    vault.tls = authority.client(own)
    return vault.restart()


def test_who_has_a_certificate_reads_and_writes(secured: SecuredGrid) -> None:
    assert secured.write(7) == 200
    assert secured.read() == (200, "7")
    status = ask(secured.grid.control.port, path="/status", tls=secured.tls).body
    assert '"option": "tls-cert", "names": ["127.0.0.1"], "not_after": "20' in status
    metrics = ask(secured.grid.control.port, path="/metrics", tls=secured.tls).body
    assert 'glitchgrid_certificate_not_after_timestamp_seconds{names="127.0.0.1",option="tls-cert"}' in metrics
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        secured.tls.minimum_version = secured.tls.maximum_version = version
        assert secured.read() == (200, "7")
    assert not [line for server in secured.all for line in server.log.splitlines() if "can read and store" in line]


# ---- strangers

VALUE = b"999"
STORE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + VALUE


def answered(port: int, tls: ssl.SSLContext | None, data: bytes = STORE, *, name: str = HOST) -> bytes:
    """All that a client is sent back, or why not."""
    with socket.create_connection((HOST, port), ANSWER_S) as plain:
        try:
            with plain if tls is None else tls.wrap_socket(plain, server_hostname=name) as connection:
                connection.sendall(data)
                return b"".join(iter(lambda: connection.recv(65536), b""))
        except (ssl.SSLError, ConnectionError):
            return b""


def old_version(authority: Authority, own: tuple[Path, Path]) -> ssl.SSLContext:
    context = authority.client(own)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def unbelieving(own: tuple[Path, Path] | None) -> ssl.SSLContext:
    """A stranger's, who does not look at whom it talks to."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if own is not None:
        context.load_cert_chain(*map(str, own))
    return context


def strangers(authority: Authority, tmp_path: Path) -> dict[str, ssl.SSLContext | None]:
    others = Authority(tmp_path / "others")
    return {
        "plain TCP": None,
        "no certificate": unbelieving(None),
        "another authority's certificate": unbelieving(others.issue("stranger", HOST)),
        "a certificate that has ended": unbelieving(authority.issue("late", HOST, days=-1)),
        "an old version of TLS": old_version(authority, authority.issue("old", HOST)),
    }


@pytest.mark.filterwarnings("ignore:ssl.:DeprecationWarning")  # that versions of TLS are old is what it is about
def test_strangers_read_nothing_and_store_nothing(secured: SecuredGrid, tmp_path: Path) -> None:
    assert secured.write(7) == 200
    for name, tls in strangers(secured.authority, tmp_path).items():
        for server in secured.all:
            assert answered(server.port, tls) == b"", (name, server.name)
            assert answered(server.port, tls, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b"", (name, server.name)
    assert secured.read() == (200, "7")
    for vault in secured.grid.vaults:
        vault.process.send_signal(signal.SIGTERM)
        vault.wait_gone()
        assert b"value %b\n" % VALUE not in (vault.data_dir / "value").read_bytes()
    assert not [bug for server in secured.all for bug in server.bugs()]


class Between:
    """A relay that keeps what a client has sent."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(TIMEOUT_S)
        self.port: int = self._listener.getsockname()[1]
        self.sent = b""
        self._thread = threading.Thread(target=self._carry, args=(port,))
        self._thread.start()

    def _carry(self, port: int) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection((HOST, port), TIMEOUT_S) as server:
            back = threading.Thread(target=self._back, args=(server, client))
            back.start()
            while data := client.recv(65536):
                self.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            back.join()

    @staticmethod
    def _back(server: socket.socket, client: socket.socket) -> None:
        while data := server.recv(65536):
            client.sendall(data)

    def close(self) -> bytes:
        """What was sent."""
        self._thread.join()
        self._listener.close()
        return self.sent


def test_what_was_recorded_does_nothing_when_it_is_sent_again(closed: Vault) -> None:
    between = Between(closed.port)
    assert closed.tls is not None
    with (
        socket.create_connection((HOST, between.port), ANSWER_S) as plain,
        closed.tls.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(STORE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    recorded = between.close()
    assert ask(closed.port, "POST", "5", tls=closed.tls).plain == (200, "5")
    answer = answered(closed.port, None, recorded)
    assert b"HTTP" not in answer
    assert ask(closed.port, tls=closed.tls).plain == (200, "5"), "the store that was recorded did not happen again"


@pytest.mark.parametrize("is_cut_short", [False, True], ids=["TLS ended", "TCP cut"])
def test_half_a_store_is_none(closed: Vault, is_cut_short: bool) -> None:
    """A body that is cut could be a smaller number."""
    assert closed.tls is not None
    with socket.create_connection((HOST, closed.port), ANSWER_S) as plain:
        connection = closed.tls.wrap_socket(plain, server_hostname=HOST)
        connection.sendall(STORE[:-1])
        if is_cut_short:
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.unwrap()
        with contextlib.suppress(OSError):
            assert not any(b"HTTP" in data for data in iter(lambda: connection.recv(65536), b""))
    assert ask(closed.port, tls=closed.tls).plain == (200, "0")


# ---- control and its vaults


TOO_LATE_MAX = 3


def fails_with(control: Control, problem: str, tls: ssl.SSLContext | None = None) -> None:
    """By its log, which has the first reason alone: a busy machine may be too late for that one, and is asked again."""
    assert ask(control.port, tls=tls).status == 500
    wait_until(lambda: " fails: " in control.log, "it is logged")
    for _ in range(TOO_LATE_MAX):
        if problem in control.log or "no whole answer within" not in control.log:
            break
        control.kill()
        control.restart()
        assert ask(control.port, tls=tls).status == 500
    wait_until(lambda: problem in control.log, f"{problem!r} is in {control.log}")


@pytest.mark.parametrize(
    ("which", "problem"),
    [
        ("name", "TLS: its certificate is not for 127.0.0.1"),
        ("authority", "TLS: its certificate does not come from our authority, or has ended"),
        ("end", "TLS: its certificate does not come from our authority, or has ended"),
        ("none", "TLS: it does not speak TLS"),
    ],
)
def test_control_believes_no_other_vault(
    servers: Servers, authority: Authority, tmp_path: Path, which: str, problem: str
) -> None:
    bad: dict[str, Callable[[], tuple[Path, Path]]] = {
        "name": lambda: authority.issue("vault", "vault1.example"),
        "authority": lambda: Authority(tmp_path / "others").issue("vault", HOST),
        "end": lambda: authority.issue("vault", HOST, days=-1),
    }
    vault = servers.vault(options=server_options(bad[which]()) if which in bad else ())
    vault.tls = unbelieving(None) if which in bad else None
    vault.restart()
    control = servers.control([vault.address], client_options(authority, authority.issue("control", "control")))
    fails_with(control.restart(), problem)
    assert ask(control.port, "POST", "5").status == 500
    assert ask(vault.port, tls=vault.tls).plain == (200, "0"), "nothing was sent to it"


def test_control_without_what_a_vault_wants(servers: Servers, authority: Authority) -> None:
    own = authority.issue("vault", HOST)
    vault = servers.vault(options=[*server_options(own), "--tls-client-ca", str(authority.file)])
    vault.tls = authority.client(own)
    vault.restart()
    fails_with(
        servers.control([vault.address], ["--vault-ca", str(authority.file)]).restart(),
        "TLS: it wants a client's certificate",
    )
    fails_with(servers.control([vault.address]).restart(), "without an answer; does it want TLS?")


def test_a_chain_of_authorities(servers: Servers, authority: Authority) -> None:
    own = authority.through_another("vault", HOST)
    vault = servers.vault(options=[*server_options(own), "--tls-client-ca", str(authority.file)])
    vault.tls = authority.client(own)
    control = servers.control([vault.restart().address], client_options(authority, own)).restart()
    assert ask(control.port, "POST", "5").status == 200


# ---- certificates that change


def test_certificates_are_exchanged_without_a_lost_request(secured: SecuredGrid) -> None:
    """Of servers and of control, while a client writes over one connection, and others over new ones."""
    control = secured.grid.control
    kept = http.client.HTTPSConnection(HOST, control.port, timeout=ANSWER_S, context=secured.tls)
    stop, answers = threading.Event(), []

    def write() -> None:
        for value in itertools.count(1):
            if stop.is_set():
                return
            kept.request("POST", "/", str(2 * value))
            response = kept.getresponse()
            response.read()
            answers.append(response.status)
            answers.append(secured.write(2 * value + 1))

    first = shown(control.port)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for certificate, key in (secured.authority.issue("next", HOST), secured.authority.issue("after", HOST)):
            shutil.copy(key, secured.own[1])
            shutil.copy(certificate, secured.own[0])
            shutil.copy(key, secured.me[1])
            shutil.copy(certificate, secured.me[0])
            for server in secured.all:
                hang_up(server)
            many = len(answers) + 20
            wait_until(lambda many=many: len(answers) > many, "it goes on")  # type: ignore[misc]
    finally:
        stop.set()
        writer.join()
        kept.close()
    assert set(answers) == {200}
    assert shown(control.port) != first, "who connects now is shown the new one"
    secured.own[1].write_text("no key", encoding="ascii")
    hang_up(control, "what was read before still holds")
    assert f"bad --tls-key {secured.own[1]}: it has no key in PEM form" in control.log
    assert secured.write(10**6) == 200


def shown(port: int) -> str:
    return ssl.get_server_certificate((HOST, port))


def hang_up(server: Server, says: str = "the server's certificates were read again") -> None:
    before = server.log.count(says)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log.count(says) > before, f"{server.name} reads again")


def test_a_certificate_that_ends_soon_is_told_of(servers: Servers, authority: Authority) -> None:
    own = authority.issue("vault", HOST, days=13.6)
    vault = servers.vault(options=server_options(own))
    vault.tls = authority.client()
    vault.restart()
    assert f"the certificate of {HOST} ends in 14 days, on 20" in vault.log
    assert f": --tls-cert {own[0]}" in vault.log
    shutil.copy(authority.issue("next", HOST, days=-2)[1], own[1])
    shutil.copy(authority.directory / "next.pem", own[0])
    hang_up(vault)
    wait_until(lambda: f"the certificate of {HOST} has ended on 20" in vault.log, "it says so")


# ---- health, commands, and starts that fail


def test_health_at_an_endpoint_of_its_own(servers: Servers, authority: Authority, tmp_path: Path) -> None:
    own = authority.issue("vault", HOST)
    path = tmp_path / "health"
    options = [*server_options(own), "--tls-client-ca", str(authority.file), "--health-listen", f"unix:{path}"]
    vault = servers.vault(options=options)
    vault.tls = authority.client(own)
    vault.restart()

    def asked(target: str) -> tuple[int, str]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode()

    assert asked("/readyz?verbose")[1].startswith("[+]open ok\n[+]disk ok\n")
    assert asked("/livez") == (200, "ok")
    assert [asked(target)[0] for target in ("/", "/status", "/metrics")] == [404] * 3
    vault.terminate()
    assert vault.wait_gone() in {0, -signal.SIGTERM}
    assert not path.exists()


def test_commands_and_certificates_for_trying_out(servers: Servers, tmp_path: Path) -> None:
    made = run("certs", str(tmp_path / "tried"), f"vault1,{HOST}", f"control,{HOST},localhost")
    assert made.returncode == 0, made.stderr
    assert "For trying out: whoever reads" in made.stdout
    files = tmp_path / "tried"
    assert [path.stat().st_mode & 0o777 for path in sorted(files.glob("*-key.pem"))] == [0o600] * 4
    me = ("--client-cert", str(files / "client.pem"), "--client-key", str(files / "client-key.pem"))

    def own(name: str) -> list[str]:
        options = server_options((files / f"{name}.pem", files / f"{name}-key.pem"))
        return [*options, "--tls-client-ca", str(files / "ca.pem")]

    believed = ssl.create_default_context(cafile=str(files / "ca.pem"))
    believed.load_cert_chain(files / "client.pem", files / "client-key.pem")
    vault = servers.vault(options=own("vault1"))
    control = servers.control([vault.address], [*own("control"), "--vault-ca", str(files / "ca.pem"), *me])
    for server in (vault, control):
        server.tls = believed
        server.restart()
    there = ("--control", f"localhost:{control.port}")
    assert run("set", "5", *there, "--ca", str(files / "ca.pem"), *me).returncode == 0
    environment = {
        "GLITCHGRID_CA": str(files / "ca.pem"),
        "GLITCHGRID_CLIENT_CERT": me[1],
        "GLITCHGRID_CLIENT_KEY": me[3],
    }
    assert run("get", *there, **environment).stdout == "5\n"
    shown = run("status", *there, **environment)
    assert (shown.returncode, "Serving 5. " in shown.stdout) == (0, True), shown.stdout
    without = run("get", *there)
    assert (without.returncode, "does it want TLS?" in without.stderr) == (2, True), without.stderr
    other = run("get", "--control", control.address.replace(HOST, "127.0.0.2"), **environment)
    assert other.returncode == 2
    half = run("get", *there, "--client-cert", me[1])
    assert (half.returncode, "go together" in half.stderr) == (2, True)
    authority = (files / "ca.pem").read_bytes()
    again = run("certs", str(files), "vault2")
    assert (again.returncode, again.stdout.startswith("kept ")) == (0, True)
    assert (files / "ca.pem").read_bytes() == authority
    bad = run("certs", str(files), "no/host")
    for names in (("client",), ("ca",), ("one,x", "one,y"), ("one", "one-key")):
        twice = run("certs", str(tmp_path / "twice"), *names)
        assert (twice.returncode, "two files would be called" in twice.stderr) == (2, True), names
    why = "bad name 'no/host': it must be a host's name or an address"
    assert (bad.returncode, bad.stderr) == (2, f"glitchgrid: {why}\n")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [GLITCHGRID, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **environment},
    )


def test_files_and_options_that_stop_the_start(tmp_path: Path, authority: Authority) -> None:
    certificate, key = map(str, authority.issue("server", HOST))
    other_key = str(authority.issue("other", HOST)[1])
    readable = tmp_path / "readable"
    shutil.copy(key, readable)
    readable.chmod(0o644)
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    ca = str(authority.file)
    vault = ("vault", "--data-dir", str(tmp_path / "data"))
    control = ("control", "--vaults", "127.0.0.1:1")
    for server, options, problem in (
        (vault, ("--tls-cert", certificate), "--tls-cert needs --tls-key, too"),
        (vault, ("--tls-key", key), "--tls-key needs --tls-cert, too"),
        (
            vault,
            ("--tls-cert", certificate, "--tls-key", f"{key}x"),
            f"bad --tls-key {key}x: No such file",
        ),
        (vault, ("--tls-cert", str(tmp_path), "--tls-key", key), f"bad --tls-cert {tmp_path}: Is a directory"),
        (vault, ("--tls-cert", str(empty), "--tls-key", key), f"bad --tls-cert {empty}: it has no certificate in PEM"),
        (vault, ("--tls-cert", certificate, "--tls-key", certificate), f"bad --tls-key {certificate}: everybody can"),
        (vault, ("--tls-cert", certificate, "--tls-key", str(empty)), f"bad --tls-key {empty}: it has no key in PEM"),
        (
            vault,
            ("--tls-cert", certificate, "--tls-key", other_key),
            f"bad --tls-key {other_key}: it is not the key",
        ),
        (
            vault,
            ("--tls-cert", certificate, "--tls-key", str(readable)),
            f"{readable}: everybody can read it",
        ),
        (vault, ("--tls-client-ca", ca), "--tls-client-ca is for servers with TLS: give --tls-cert and --tls-key, too"),
        (vault, ("--health-listen", "tcp:nowhere"), "bad endpoint 'tcp:nowhere'"),
        (control, ("--client-cert", certificate, "--client-key", key), "--client-cert is for vaults with TLS: give"),
        (control, ("--vault-ca", ca, "--client-cert", certificate), "--client-cert needs --client-key, too"),
        (control, ("--vault-ca", str(empty)), f"bad --vault-ca {empty}: it has no certificate in PEM form"),
        (
            control,
            ("--vaults", "vault_1:8001", "--vault-ca", ca),
            "no certificate can be for 'vault_1'",
        ),
    ):
        line = twistd_fails([*server, *options], tmp_path)
        assert line.startswith(f"twistd {server[0]}: "), line
        assert problem in line, line


def test_a_health_endpoint_that_is_taken_stops_the_start(servers: Servers, tmp_path: Path) -> None:
    vault: Vault = servers.vault().restart()
    endpoint = f"tcp:{vault.port}:interface={HOST}"
    line = twistd_fails(["vault", "--port=0", "--data-dir", str(tmp_path / "d"), "--health-listen", endpoint], tmp_path)
    assert line == f"twistd vault: cannot listen on {endpoint}: Address already in use"
