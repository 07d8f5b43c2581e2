"""Real servers for the tests: `twistd` processes on 127.0.0.1, started, hurt and always cleaned up.

The tests are a foreign client: they speak HTTP by the standard library, know nothing of the package's inside,
and end processes by the pid that they started. Nothing sleeps in the hope that something has happened
meanwhile: `wait_until` asks again and again, and gives up at a deadline.
"""

import http.client
import os
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self, TypeVar

import pytest

from glitchgrid.protocol.roster import list_digest

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
"""Until a server answers: its imports take most of a second where nothing else runs, and much longer where
everything runs."""

STOP_TIMEOUT_S = 5.0
"""What the servers promise on SIGTERM."""

SLACK_S = 3.0
"""What a busy machine may add to a promise."""

TWISTD = str(Path(sys.executable).parent / "twistd")

PROTOCOLS = ("atomic", "classic")
"""What `--protocol` takes. The fixture `protocol` is each of them in turn."""

_SETPRIV = shutil.which("setpriv")
_ENDS_WITH_US = [] if _SETPRIV is None else [_SETPRIV, "--pdeathsig", "KILL", "--"]
"""So that no server outlives a test run that is itself killed. It becomes the program: the pid stays the same."""

_T = TypeVar("_T")
_S = TypeVar("_S", bound="Server")
_handed_out: set[int] = set()

# Everything is imported, and nothing done, before the line on standard input comes.
_WARM_TWISTD = """
import sys
import glitchgrid.control_tap, glitchgrid.vault_tap
from twisted.scripts.twistd import run
sys.stdin.readline()
sys.exit(run())
"""


class Answer(NamedTuple):
    status: int
    body: str
    headers: Mapping[str, str]

    @property
    def plain(self) -> tuple[int, str]:
        """Status and body, for comparisons."""
        return self.status, self.body


def ask(
    port: int,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    path: str = "/",
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request over a connection of its own."""
    connection = (
        http.client.HTTPConnection(HOST, port, timeout=timeout_s)
        if tls is None
        else http.client.HTTPSConnection(HOST, port, timeout=timeout_s, context=tls)
    )
    try:
        return ask_over(connection, method, body, headers, path)
    finally:
        connection.close()


def ask_over(
    connection: http.client.HTTPConnection,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "/",
) -> Answer:
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, response.read().decode("utf-8"), dict(response.getheaders()))


def guarded(port: int, value: int, vaults: Iterable[str] = ()) -> Answer:
    """A guarded store at a vault, as a control sends it that has these vaults."""
    listed = {"Glitchgrid-List": list_digest(vaults)} if vaults else {}
    return ask(port, "POST", str(value), {"Glitchgrid-Guard": "increase", **listed})


def some_of(all_of_them: Iterable[Any], *these: Any) -> list[Any]:
    """Parameters for a test, of which all but `these` take too long for every day."""
    return [each if each in these else pytest.param(each, marks=pytest.mark.thorough) for each in all_of_them]


def using(protocol: str) -> tuple[str, str]:
    """The options of a control that has it speak `protocol`."""
    return "--protocol", protocol


def sent(protocol: str, acknowledging: int, vaults: int = 3) -> set[tuple[int, str]]:
    """What a write may be answered when so many vaults take it, and the others do not.

    Classic waits for every vault, and counts them all. Atomic answers with the reply that decides: where a majority
    takes it that is just a majority, and where none can, it is as many as had taken it by then.
    """
    majority = vaults // 2 + 1
    status = 200 if acknowledging >= majority else 500
    if protocol == "classic":
        counts = range(acknowledging, acknowledging + 1)
    elif status == 200:
        counts = range(majority, majority + 1)
    else:
        counts = range(acknowledging + 1)
    return {(status, f"Sent updates to {count}/{vaults} vaults") for count in counts}


def wait_until(condition: Callable[[], _T], what: str, timeout_s: float = START_TIMEOUT_S) -> _T:
    """The first true result of `condition`; AssertionError, naming `what`, where there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def read_from_terminal(descriptor: int, until: str) -> str:
    """What a program shows on a terminal, up to and with a text; AssertionError when that does not come."""
    shown = ""
    end = time.monotonic() + START_TIMEOUT_S
    while until not in shown:
        assert time.monotonic() < end, f"{until!r} is not in:\n{shown}"
        if select.select([descriptor], [], [], 0.2)[0]:
            shown += os.read(descriptor, 65536).decode("utf-8", "replace")
    return shown


def _candidate_ports() -> range:
    """Ports that the kernel gives to nobody by itself, so that no client's end takes one of ours meanwhile.

    Of pytest-xdist's workers each has its own share.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    except OSError:
        low, high = 32768, 60999
    below = range(10_000, low)
    return (below if len(below) >= 1000 else range(high + 1, 65536))[worker::workers]


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, handed out once in a run, for a process or for nobody.

    What listens in the test's own process takes port 0 instead: it never lets go of what the kernel gave it.
    """
    candidates = _candidate_ports()
    for port in random.sample(candidates, min(1000, len(candidates))):
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise AssertionError("no port is free")


def one_line(stderr: str) -> str:
    """What a start error must be: exactly one line."""
    lines = stderr.splitlines()
    assert len(lines) == 1, f"{len(lines)} lines on standard error:\n{stderr}"
    return lines[0]


def twistd_fails(arguments: Sequence[str | bytes], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a `twistd` that can't start, and return its one line on standard error."""
    done = subprocess.run(
        [TWISTD, "--nodaemon", "--pidfile=", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        timeout=START_TIMEOUT_S,
        check=False,
    )
    stdout = done.stdout.decode("utf-8", "backslashreplace")
    stderr = done.stderr.decode("utf-8", "backslashreplace")
    assert done.returncode not in {0, -signal.SIGTERM, -signal.SIGKILL}, (done.returncode, stdout, stderr)
    assert done.returncode > 0, f"a signal ended it: {done.returncode}"
    for output in (stdout, stderr):
        assert "Traceback" not in output, output
        assert "Unhandled" not in output, output
    return one_line(stderr)


class Server:
    """A vault or a control that can be started, killed, stopped, continued, terminated and started again.

    :param options: what comes behind the program's name, but for `--listen`.
    :param warm: the process may be started early, with `prepare`: it then imports all that it needs, and waits.
    :ivar standard_output: where that goes instead of the file which `log` reads.
    :ivar tls: how it is asked whether it answers, where it speaks TLS.
    """

    def __init__(
        self,
        program: str,
        options: Sequence[str],
        directory: Path,
        name: str | None = None,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        warm: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.name = name or f"{program}-{self.port}"
        self._program = program
        self._options = list(options)
        self._directory = directory
        self._env = {**os.environ, **(env or {})}
        self._warm = warm
        self.twistd = [TWISTD]
        self.standard_output: int | IO[bytes] | None = None
        self.tls: ssl.SSLContext | None = None
        self._spares: list[subprocess.Popen[bytes]] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """All that it has written to standard output, over all of its lives."""
        return self._log_path.read_text(encoding="utf-8", errors="backslashreplace")

    @property
    def stderr(self) -> str:
        return self._stderr_path.read_text(encoding="utf-8", errors="backslashreplace")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process

    def prepare(self) -> None:
        """Have one more process warm, for a start to come."""
        assert self._warm
        self._spares.append(self._spawn([sys.executable, "-c", _WARM_TWISTD], subprocess.PIPE))

    def start(self) -> Self:
        """Start the process, and do not wait for it."""
        assert self._process is None or self._process.poll() is not None, f"{self.name} runs already"
        if not self._warm:
            self._process = self._spawn(self.twistd, subprocess.DEVNULL)
            return self
        if not self._spares:
            self.prepare()
        self._process = self._spares.pop(0)
        assert self._process.stdin is not None
        with self._process.stdin as go:
            go.write(b"go\n")
        return self

    def wait_ready(self) -> Self:
        """Wait until it answers."""
        wait_until(self._answers, f"{self.name} answers\n{self._tail()}")
        return self

    def restart(self) -> Self:
        return self.start().wait_ready()

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait(START_TIMEOUT_S)

    def stop(self) -> None:
        """SIGSTOP: connections are still taken, by the kernel, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        if state.exists():
            wait_until(lambda: state.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T", "it stops")

    def cont(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to leave; `wait_gone` waits for that."""
        self.process.send_signal(with_signal)

    def wait_gone(self, timeout_s: float = STOP_TIMEOUT_S + SLACK_S) -> int:
        """Its exit status, once it has left."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} is still there after {timeout_s:g} s\n{self._tail()}") from None

    def close(self) -> None:
        """Nothing of it is left after this, stopped processes included."""
        for process in [*self._spares, *filter(None, [self._process])]:
            if process.stdin is not None:
                process.stdin.close()
            process.kill()
            process.wait(START_TIMEOUT_S)
        self._spares = []

    def bugs(self) -> list[str]:
        """Lines that no log of a sound server has."""
        outputs = [path for path in (self._log_path, self._stderr_path) if path.exists()]
        lines = "".join(path.read_text(encoding="utf-8", errors="backslashreplace") for path in outputs).splitlines()
        return [f"{self.name}: {line}" for line in lines if "Traceback" in line or "Unhandled" in line]

    @property
    def _log_path(self) -> Path:
        return self._directory / f"{self.name}.log"

    @property
    def _stderr_path(self) -> Path:
        return self._directory / f"{self.name}.stderr"

    def _spawn(self, program: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
        listen = f"tcp:{self.port}:interface={HOST}"
        command = [
            *_ENDS_WITH_US,
            *program,
            "--nodaemon",
            "--pidfile=",
            self._program,
            "--listen",
            listen,
            *self._options,
        ]
        with _appending(self._log_path) as log, _appending(self._stderr_path) as stderr:
            output = log if self.standard_output is None else self.standard_output
            return subprocess.Popen(
                command, stdin=stdin, stdout=output, stderr=stderr, cwd=self._directory, env=self._env
            )

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}\n{self._tail()}")
        try:
            ask(self.port, tls=self.tls)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _tail(self) -> str:
        outputs = [path for path in (self._log_path, self._stderr_path) if path.exists()]
        return "\n".join(path.read_text(encoding="utf-8", errors="backslashreplace")[-2000:] for path in outputs)


def _appending(path: Path) -> IO[bytes]:
    return path.open("ab")


class Vault(Server):
    def __init__(
        self,
        directory: Path,
        name: str | None = None,
        port: int | None = None,
        data_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        warm: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        port = port or free_port()
        self.data_dir = data_dir or directory / f"data-{port}"
        super().__init__("vault", ["--data-dir", str(self.data_dir), *options], directory, name, port, env, warm)


class Control(Server):
    """:param vaults: addresses, as `--vaults` takes them."""

    def __init__(
        self,
        directory: Path,
        vaults: Iterable[str],
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("control", ["--vaults", ",".join(vaults), *options], directory, env=env)


class Grid(NamedTuple):
    control: Control
    vaults: list[Vault]

    def read(self) -> tuple[int, str]:
        return ask(self.control.port).plain

    def write(self, value: int) -> tuple[int, str]:
        return ask(self.control.port, "POST", str(value)).plain

    def wait_until_all_hold(self, value: int) -> None:
        """Wait for the stragglers: an atomic control answers before the slowest vault has stored."""
        wait_until(lambda: all(ask(vault.port).body == str(value) for vault in self.vaults), f"all hold {value}")


class Servers:
    """Makes servers in a directory, and clears them all away at the end.

    :param glitch: a deliberate bug that is switched on in all of them.
    """

    def __init__(self, directory: Path, glitch: str | None = None) -> None:
        self.directory = directory
        self._glitch = glitch
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()

    def vault(
        self,
        name: str | None = None,
        port: int | None = None,
        data_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        warm: bool = False,
        options: Sequence[str] = (),
    ) -> Vault:
        """A vault, not started."""
        return self._add(Vault(self.directory, name, port, data_dir, env, warm, options))

    def control(
        self, vaults: Iterable[str], options: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Control:
        """A control, not started."""
        return self._add(Control(self.directory, vaults, options, env))

    def grid(self, vaults: int = 3, options: Sequence[str] = (), host: str = HOST) -> Grid:
        """A whole grid, serving. `host` is what control calls the vaults' machine."""
        started = [self.vault() for _ in range(vaults)]
        control = self.control([f"{host}:{vault.port}" for vault in started], options)
        for server in [*started, control]:
            server.start()
        for server in [*started, control]:
            server.wait_ready()
        return Grid(control, started)

    def bugs(self) -> list[str]:
        return [line for server in self._servers for line in server.bugs()]

    def _add(self, server: _S) -> _S:
        if self._glitch is not None:
            server.twistd = [sys.executable, "-m", "glitchgrid.lab.register.processes.launcher", self._glitch]
        self._servers.append(server)
        return server
