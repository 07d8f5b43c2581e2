"""Who is compared, and how each is started in each world.

In a healthy world all works. In a silent one the last vault takes connections and never answers; in a closed one
nothing listens at its port. For etcd it is a follower that is stopped, or killed. Its clients talk to the leader,
which serves them best.
"""

import functools
import json
import platform
import shutil
import signal
import socket
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from attrs import define, field, frozen

from benchmarks.children import Child
from benchmarks.dialects import HOST, Dialect, EtcdDialect, GridDialect
from benchmarks.errors import DoesNotAnswer
from glitchgrid.lab.register.processes.localgrid import free_ports
from glitchgrid.register import PROTOCOLS

WORLDS = ("healthy", "silent", "closed")
VAULTS = 3
START_TIMEOUT_S = 30.0
POLL_S = 0.05
ASK_TIMEOUT_S = 1.0

CHECKOUT = Path(__file__).resolve().parent.parent


@define
class Running:
    """A contender that has been started. `port` takes the load; `close` ends all of it."""

    dialect: Dialect
    port: int = 0
    children: dict[str, Child] = field(factory=dict)
    _held: ExitStack = field(factory=ExitStack)

    def start(self, name: str, argv: Sequence[str], log_path: Path, **environment: str) -> Child:
        child = self.children[name] = Child(argv, log_path, environment)
        self._held.callback(child.kill)
        return child

    def hold_closed(self, port: int) -> None:
        """Keep a port from everybody else, and do not listen there."""
        held = self._held.enter_context(closing(socket.socket()))
        held.bind((HOST, port))

    def forget(self, name: str) -> None:
        """A child that stands for a fault: it still ends with the others, but it is not measured."""
        del self.children[name]

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        """Until `ready`.

        :raises DoesNotAnswer: when a child ends meanwhile, or it takes too long.
        """
        end_s = time.monotonic() + START_TIMEOUT_S
        while not ready():
            for name, child in self.children.items():
                if not child.running:
                    raise DoesNotAnswer(f"{name} of {what} ended: {child.last_words()}")
            if time.monotonic() > end_s:
                raise DoesNotAnswer(f"{what} does not answer after {START_TIMEOUT_S:g} s")
            time.sleep(POLL_S)

    def intact(self) -> bool:
        return all(child.running for child in self.children.values())

    def close(self) -> None:
        self._held.close()


Start = Callable[[Running, Path, str], None]


@frozen
class Contender:
    """:param linearizable: whether it promises that, so that a stale read is a wrong answer and not its way."""

    name: str
    label: str
    dialect: Dialect
    linearizable: bool
    _start: Start

    def start(self, directory: Path, world: str) -> Running:
        """Start it in `directory`, and wait until it serves.

        :raises DoesNotAnswer: when it does not.
        """
        directory.mkdir(parents=True)
        running = Running(self.dialect)
        try:
            self._start(running, directory, world)
        except BaseException:
            running.close()
            raise
        return running


def contenders() -> tuple[list[Contender], list[str]]:
    """All that can be run here, and the names of those that can't."""
    every = [
        Contender("atomic", "grid, atomic", GridDialect(), True, functools.partial(start_grid, twistd("atomic"))),
        Contender("classic", "grid, classic", GridDialect(), False, functools.partial(start_grid, twistd("classic"))),
        Contender(
            "threaded", "threads, standard library", GridDialect(), False, functools.partial(start_grid, _threaded)
        ),
        Contender("etcd", "etcd, JSON gateway", EtcdDialect(), True, _start_etcd),
    ]
    present = [one for one in every if one.name in {*PROTOCOLS, "threaded", "etcd"}]
    return present, [one.name for one in every if one not in present]


def missing_packages(names: Sequence[str]) -> list[str]:
    """The Debian packages that a run of these contenders lacks."""
    needed = {"wrk": "wrk", "setpriv": "util-linux"} | ({"etcd": "etcd-server"} if "etcd" in names else {})
    return [package for program, package in needed.items() if shutil.which(program) is None]


Program = Callable[[str, int, Sequence[int], Path], list[str]]
"""(vault or control, its port, the vaults' ports, a directory) to a command."""


def twistd(protocol: str) -> Program:
    def command(program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
        twistd = str(Path(sysconfig.get_path("scripts")) / "twistd")
        common = [twistd, "--nodaemon", "--pidfile=", program, "--listen", f"tcp:{port}:interface={HOST}"]
        if program == "vault":
            return [*common, "--data-dir", str(directory)]
        return [*common, "--vaults", ",".join(f"{HOST}:{vault}" for vault in vaults), "--protocol", protocol]

    return command


def _threaded(program: str, port: int, vaults: Sequence[int], _: Path) -> list[str]:
    urls = [f"http://{HOST}:{vault}/" for vault in vaults]
    return [sys.executable, "-P", str(Path(__file__).with_name("threaded_grid.py")), program, str(port), *urls]


def start_grid(program: Program, running: Running, directory: Path, world: str) -> None:
    running.port, *ports = free_ports(1 + VAULTS)
    for number, port in enumerate(ports, start=1):
        name = f"vault{number}"
        if number < VAULTS or world == "healthy":
            argv = program("vault", port, (), directory / name)
            running.start(name, argv, directory / f"{name}.log", PYTHONPATH=str(CHECKOUT))
        elif world == "silent":
            silent = [sys.executable, "-P", str(Path(__file__).with_name("silent_vault.py")), str(port)]
            running.start(name, silent, directory / f"{name}.log")
            running.wait(lambda port=port: _accepts(port), name)  # type: ignore[misc]
            running.forget(name)
        else:
            running.hold_closed(port)
    argv = program("control", running.port, ports, directory)
    running.start("control", argv, directory / "control.log", PYTHONPATH=str(CHECKOUT))
    running.wait(lambda: running.dialect.write(running.port, 1), f"the grid in {directory}")


def _start_etcd(running: Running, directory: Path, world: str) -> None:
    ports = free_ports(2 * VAULTS)
    peers = {f"node{number}": ports[VAULTS + number - 1] for number in range(1, VAULTS + 1)}
    cluster = ",".join(f"{name}=http://{HOST}:{port}" for name, port in peers.items())
    clients = dict(zip(peers, ports[:VAULTS], strict=True))
    # Debian builds etcd for other machines too; there it starts only if told that this is known.
    environment = {"ETCD_UNSUPPORTED_ARCH": "arm64"} if platform.machine() == "aarch64" else {}
    for name, peer_port in peers.items():
        client, peer = f"http://{HOST}:{clients[name]}", f"http://{HOST}:{peer_port}"
        argv = ["etcd", "--name", name, "--data-dir", str(directory / name), "--initial-cluster", cluster]
        argv += ["--listen-client-urls", client, "--advertise-client-urls", client, "--log-level", "error"]
        argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--logger", "zap"]
        running.start(name, argv, directory / f"{name}.log", **environment)
    running.wait(lambda: all(running.dialect.write(port, 1) for port in clients.values()), "etcd")
    leader = next(name for name, port in clients.items() if _leads(port))
    running.port = clients[leader]
    follower = next(name for name in clients if name != leader)
    if world != "healthy":
        running.children[follower].signal(signal.SIGSTOP if world == "silent" else signal.SIGKILL)
        running.forget(follower)


def _leads(port: int) -> bool:
    request = urllib.request.Request(f"http://{HOST}:{port}/v3/maintenance/status", b"{}")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=ASK_TIMEOUT_S) as answer:
        status = json.loads(answer.read())
    return bool(status["leader"] == status["header"]["member_id"])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(ASK_TIMEOUT_S)
        return probe.connect_ex((HOST, port)) == 0
