"""Machines of real processes: their namespaces, their network, their disks, and that nothing of them is left."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ParamSpec, cast

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet import reactor  # noqa: TID251 - that of pytest-twisted
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue

from glitchgrid.machines import means
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.frames import Pcap
from glitchgrid.machines.machine import Machine, Plot
from glitchgrid.machines.network import Network
from glitchgrid.simulation.network import Slowness

pytestmark = [
    pytest.mark.skipif(bool(means.missing_for_links()), reason=means.missing_for_links()),
    pytest.mark.skipif(bool(means.missing_for_disks()), reason=means.missing_for_disks()),
]

_P = ParamSpec("_P")


def in_reactor(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, Coroutine[Any, Any, None]]:
    return cast("Callable[_P, Coroutine[Any, Any, None]]", pytest_twisted.ensureDeferred(test))


OWN = [Path(sys.prefix), Path(__file__).resolve().parents[2]]
SERVER = """
import socket
with socket.create_server(("0.0.0.0", 80)) as listening:
    print("listening", flush=True)
    while True:
        connection, _ = listening.accept()
        with connection:
            while data := connection.recv(100):
                connection.sendall(data.upper())
"""
CLIENT = """
import socket, sys, time
with socket.create_connection(("m1", 80), 3) as connection:
    for word in sys.argv[1:]:
        began = time.monotonic()
        connection.sendall(word.encode())
        print(connection.recv(100).decode(), round(time.monotonic() - began, 2), flush=True)
"""


class Bench:
    """:param directory: the machines' own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network = Network(reactor, "0", Pcap(directory / "frames.pcap", 1 << 20))
        self.plots = [Plot(number, f"m{number}", directory / f"m{number}", number == 1) for number in (1, 2)]
        self.machines = [Machine(reactor, plot, self.plots, [directory, *OWN], "0") for plot in self.plots]

    async def make(self) -> None:
        for machine in self.machines:
            self.network.attach(machine.name, machine.plot.mac, await machine.make())

    async def run(self, number: int, *argv: str, **how: Any) -> tuple[str, str, int]:
        machine = self.machines[number - 1]
        command = machine.entering(argv, machine.plot.disk, **how)
        out, err, status = await getProcessOutputAndValue(command[0], command[1:], env=os.environ)
        return out.decode(), err.decode(), status

    def start(self, number: int, *argv: str) -> "subprocess.Popen[str]":
        machine = self.machines[number - 1]
        command = machine.entering(argv, machine.plot.disk)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    async def end(self) -> None:
        for machine in self.machines:
            await machine.end()
        self.network.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    pytest_twisted.blockon(ensureDeferred(bench.end()))
    assert not processes_in(tmp_path)
    assert str(tmp_path) not in Path("/proc/mounts").read_text(encoding="utf-8")


def processes_in(directory: Path) -> list[str]:
    """Command lines of processes that name a directory."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if str(directory) in line and "pytest" not in line]


@in_reactor
async def test_a_machine_is_one(bench: Bench) -> None:
    await bench.make()
    asked = "id -u; hostname; cat /etc/hosts; ls /tmp; ls /proc | grep -c '^[0-9]'; pwd"
    out, _, _ = await bench.run(1, "sh", "-c", asked)
    *words, last = out.split()
    assert words[:2] == ["0", "m1"]
    assert "10.77.0.2 m2" in out
    assert last == str(bench.plots[0].disk)
    assert int(words[-1]) < 10, "it sees its own processes alone"
    assert (await bench.run(1, "id", "-u", as_root=False))[0] == "1000\n"
    assert "eth0" in (await bench.run(2, "cat", "/proc/net/dev"))[0]


@in_reactor
async def test_what_lies_between_them(bench: Bench) -> None:
    await bench.make()
    server = bench.start(1, sys.executable, "-c", SERVER)
    try:
        await until_readable(server)
        assert await bench.machines[0].ask("listens", address="10.77.0.1", port=80)
        assert not await bench.machines[0].ask("listens", address="10.77.0.1", port=81)
        out, err, _ = await bench.run(2, sys.executable, "-c", CLIENT, "a", "b")
        assert out.split()[::2] == ["A", "B"], err
        for way in (("m1", "m2"), ("m2", "m1")):
            bench.network.slow(*way, Slowness(100_000_000, 0, 0))
        out, _, _ = await bench.run(2, sys.executable, "-c", CLIENT, "a")
        assert float(out.split()[1]) >= 0.2
        for way in (("m1", "m2"), ("m2", "m1")):
            bench.network.calm(*way)
        bench.network.cut("m1", "m2")
        _, err, status = await bench.run(2, sys.executable, "-c", CLIENT, "a")
        assert status == 1
        assert "timed out" in err
        bench.network.mend("m1", "m2")
        assert (await bench.run(2, sys.executable, "-c", CLIENT, "a"))[2] == 0
    finally:
        server.kill()
        server.wait()
    assert bench.network.frames > 20
    assert (bench.directory / "frames.pcap").stat().st_size > 1000


@in_reactor
async def test_connections_that_are_reset(bench: Bench) -> None:
    await bench.make()
    server = bench.start(1, sys.executable, "-c", SERVER)
    # A reset is sent to whoever says something in the second after it.
    talks_on = CLIENT + "\n    for _ in range(100):\n        connection.sendall(b'x')\n        time.sleep(0.1)"
    await until_readable(server)
    client = bench.start(2, sys.executable, "-c", talks_on, "a")
    try:
        await until_readable(client)
        assert client.stdout is not None
        assert client.stdout.readline().startswith("A")
        bench.network.reset("m2", "m1")
        assert await ended(client) == 1, "ECONNRESET"
    finally:
        for child in (server, client):
            child.kill()
            child.wait()


@in_reactor
async def test_a_disk_loses_what_was_not_synced_with_its_power(bench: Bench) -> None:
    await bench.make()
    write = """
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.write(file, b"x" * 9000)
if sys.argv[2:]:
    os.fsync(file)
"""
    assert (await bench.run(1, sys.executable, "-c", write, "kept", "sync"))[2] == 0
    for number in range(20):
        await bench.run(1, sys.executable, "-c", write, f"perhaps{number}")
    running = bench.start(1, "sleep", "60")
    while not await bench.machines[0].ask("signal", number=0):
        pass
    assert await bench.machines[0].ask("lose power")
    assert await ended(running) != 0
    out, _, _ = await bench.run(1, "sh", "-c", "wc -c kept; ls | wc -l; cat perhaps* | wc -c")
    size, _, names, left = out.split()
    assert (size, int(names) < 21 or int(left) < 180_000) == ("9000", True)


WRITERS = {
    "SQLite with a write-ahead log": (
        """
import sqlite3
base = sqlite3.connect("base", isolation_level=None)
base.execute("pragma journal_mode=wal")
base.execute("pragma synchronous=full")
base.execute("create table if not exists t (n integer)")
for number in range(10**6):
    base.execute("insert into t values (?)", (number,))
    print(number, flush=True)
""",
        """
import sqlite3
base = sqlite3.connect("base")
assert base.execute("pragma integrity_check").fetchone() == ("ok",)
print(base.execute("select n from t order by rowid desc limit 1").fetchone()[0])
""",
    ),
    "a log, and a name that is moved to the newest of them, as LevelDB does it": (
        """
import os
def synced(name, text, how):
    with open(name, how) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
directory = os.open(".", os.O_RDONLY)
for number in range(10**6):
    log = f"{number // 10:06}.log"
    synced(log, f"{number}\\n", "a")
    if number % 10 == 0:
        synced("CURRENT.new", log, "w")
        os.rename("CURRENT.new", "CURRENT")
        os.fsync(directory)
    print(number, flush=True)
""",
        """
lines = open(open("CURRENT").read()).read().splitlines()
print(lines[-1])
""",
    ),
    "a file that is mapped": (
        """
import mmap, os, struct
with open("map", "w+b") as file:
    file.truncate(1 << 20)
    os.fsync(file.fileno())
    page = mmap.mmap(file.fileno(), 1 << 20)
    os.fsync(os.open(".", os.O_RDONLY))
    for number in range(1 << 17):
        struct.pack_into("=q", page, number * 8, number)
        page.flush()
        print(number, flush=True)
""",
        """
import struct
numbers = struct.unpack(f"={1 << 17}q", open("map", "rb").read())
print(max(numbers))
assert all(number == place for place, number in enumerate(numbers[: max(numbers) + 1]))
""",
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
@in_reactor
async def test_what_programs_have_synced_in_their_own_ways_is_there_after_a_power_loss(
    bench: Bench, writer: str
) -> None:
    """Each says a number once it has done all to keep it; what is read later is that number, or a later one."""
    write, read = WRITERS[writer]
    await bench.make()
    for _ in range(3):
        running = bench.start(1, sys.executable, "-c", write)
        assert running.stdout is not None
        await until_readable(running)
        await deferLater(reactor, 0.3)
        assert await bench.machines[0].ask("lose power")
        assert await ended(running) != 0
        said = running.stdout.read().split()
        assert len(said) > 3
        out, errors, status = await bench.run(1, sys.executable, "-c", read)
        assert (status, errors) == (0, "")
        assert int(out) >= int(said[-1])


@in_reactor
async def test_a_disk_that_fails(bench: Bench) -> None:
    await bench.make()
    machine = bench.machines[0]
    told: list[dict[str, Any]] = []
    machine._conversation.said = told.append  # type: ignore[union-attr]
    await machine.ask("set", is_full=True)
    assert "No space left" in (await bench.run(1, "sh", "-c", "echo x > a"))[1]
    await machine.ask("set", is_full=False, syncs_to_fail=1)
    assert "Input/output error" in (await bench.run(1, "sh", "-c", "echo x > a; sync a"))[1]
    assert [each["syncs_to_fail"] for each in told][-1] == 0
    began_s = time.monotonic()
    await machine.ask("set", stall_ms=500)
    await bench.run(1, "cat", "a")
    assert time.monotonic() - began_s >= 0.5


@in_reactor
async def test_signals_reach_all_that_runs(bench: Bench) -> None:
    await bench.make()
    running = bench.start(2, "sh", "-c", "sleep 60 & wait")
    while not await bench.machines[1].signal_all(signal.SIGTERM):
        pass
    assert await ended(running) != 0
    assert not await bench.machines[1].signal_all(signal.SIGTERM)


@in_reactor
async def test_a_machine_that_cannot_be_made_says_why(bench: Bench, tmp_path: Path) -> None:
    machine = Machine(reactor, Plot(1, "m1", tmp_path / "x", False), [], [tmp_path / "nowhere"], "0")
    with pytest.raises(CannotBeMade, match="m1 cannot be made: No such file or directory"):
        await machine.make()
    await machine.end()
    await bench.make()


async def until_readable(child: "subprocess.Popen[str]") -> None:
    """The network is in this process: it must not block."""
    assert child.stdout is not None
    while not select.select([child.stdout], [], [], 0)[0]:
        await _a_moment()


async def ended(child: "subprocess.Popen[str]") -> int:
    for _ in range(500):
        status = child.poll()
        if status is not None:
            return status
        await _a_moment()
    raise AssertionError("it has not ended within 10 s")


async def _a_moment() -> None:
    await deferLater(reactor, 0.02)
