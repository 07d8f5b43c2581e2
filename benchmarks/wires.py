"""What real machines of our own cost: what the switch between them carries, how late, and what a disk of FUSE takes.

Two machines and the switch share this machine's cores with whoever sends and receives.
"""

import statistics
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue

from benchmarks.errors import CannotMeasure
from glitchgrid.machines import means
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.machine import Machine, Plot
from glitchgrid.machines.network import Network

MBIT_S_LEAST, FRAMES_S_LEAST, ADDED_MS_MOST = 300.0, 20_000.0, 0.3
SECONDS = 5
PINGS = 2000
SYNCS = 1000
MEGA = 1_000_000

_CONNECT = """
import socket, sys, time

def connected(host, port):
    while True:
        try:
            return socket.create_connection((host, port))
        except ConnectionRefusedError:
            time.sleep(0.05)

"""
_RECEIVE = """
import socket, sys, time
with socket.create_server(("0.0.0.0", 5000)) as listening:
    connection, _ = listening.accept()
    room = bytearray(1 << 20)
    began, total = time.monotonic(), 0
    while count := connection.recv_into(room):
        total += count
    print(total * 8 / (time.monotonic() - began))
"""
_SEND = f"""{_CONNECT}
with connected("m1", 5000) as connection:
    end = time.monotonic() + {SECONDS}
    data = bytes(1 << 18)
    while time.monotonic() < end:
        connection.sendall(data)
"""
_COUNT = f"""
import socket, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
    there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    there.bind(("0.0.0.0", 5001))
    there.settimeout(20)
    there.recv(100)
    began, count = time.monotonic(), 0
    while time.monotonic() < began + {SECONDS} - 1:
        there.recv(100)
        count += 1
    print(count / (time.monotonic() - began))
"""
_FLOOD = f"""
import socket, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    end = time.monotonic() + {SECONDS} + 1
    while time.monotonic() < end:
        here.sendto(b"x" * 18, ("m1", 5001))
"""
_ECHO = """
import socket
with socket.create_server(("0.0.0.0", 5002)) as listening:
    for _ in range(2):
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)
"""
_PING = f"""{_CONNECT}
import statistics
with connected(sys.argv[1], 5002) as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took = []
    for _ in range({PINGS}):
        began = time.monotonic()
        connection.sendall(b"x")
        connection.recv(1)
        took.append(time.monotonic() - began)
print(statistics.median(took) * 1000)
"""
_SYNC = f"""
import os, statistics, time
file = os.open("file", os.O_CREAT | os.O_RDWR)
took = []
for _ in range({SYNCS}):
    began = time.monotonic()
    os.pwrite(file, bytes(4096), 0)
    os.fsync(file)
    took.append(time.monotonic() - began)
print(statistics.median(took) * 1e6)
"""


@frozen
class Wires:
    """:ivar added_ms: of one way between two machines, beyond one within a machine: half of what a ping takes longer.
    :ivar sync_us: a write of 4 KiB and its sync.
    """

    mbit_s: float
    frames_s: float
    added_ms: float
    sync_us: float

    def __str__(self) -> str:
        lines = (
            (f"throughput: {self.mbit_s:.0f} Mbit/s", self.mbit_s >= MBIT_S_LEAST, f"at least {MBIT_S_LEAST:.0f}"),
            (f"small frames: {self.frames_s:.0f}/s", self.frames_s >= FRAMES_S_LEAST, f"at least {FRAMES_S_LEAST:.0f}"),
            (f"added latency: {self.added_ms:.3f} ms", self.added_ms <= ADDED_MS_MOST, f"at most {ADDED_MS_MOST:g}"),
        )
        told = [f"{text} ({aim}: {'met' if is_met else 'NOT met'})" for text, is_met, aim in lines]
        return "\n".join((*told, f"a write of 4 KiB with its sync, by FUSE: {self.sync_us:.0f} us (medians)"))

    @property
    def are_met(self) -> bool:
        return self.mbit_s >= MBIT_S_LEAST and self.frames_s >= FRAMES_S_LEAST and self.added_ms <= ADDED_MS_MOST


async def measured(reactor: Any, rounds: int) -> Wires:
    """Medians of some rounds.

    :raises CannotMeasure: when machines cannot be made here, or a program fails.
    """
    missing = means.missing_for_links() or means.missing_for_disks()
    if missing:
        raise CannotMeasure(missing)
    found = [await _once(reactor) for _ in range(rounds)]
    return Wires(
        *(
            statistics.median(getattr(each, name) for each in found)
            for name in ("mbit_s", "frames_s", "added_ms", "sync_us")
        )
    )


async def _once(reactor: Any) -> Wires:
    with tempfile.TemporaryDirectory(prefix="glitchgrid-bench-") as directory:
        plots = [Plot(number, f"m{number}", Path(directory) / f"m{number}", number == 1) for number in (1, 2)]
        keeps = [Path(directory), Path(sys.prefix), Path(__file__).resolve().parents[1]]
        machines = [Machine(reactor, plot, plots, keeps, "0") for plot in plots]
        network = Network(reactor, "0", watch=lambda *_: None)  # somebody looks on at every rehearsal
        try:
            for machine in machines:
                network.attach(machine.name, machine.plot.mac, await machine.make())
            return await _measure(machines)
        except CannotBeMade as error:
            raise CannotMeasure(str(error)) from error
        finally:
            for machine in machines:
                await machine.end()
            network.close()


async def _measure(machines: list[Machine]) -> Wires:
    one, other = machines
    bits, _ = await _both(_run(one, _RECEIVE), _run(other, _SEND))
    frames, _ = await _both(_run(one, _COUNT), _run(other, _FLOOD))
    echoing = Deferred.fromCoroutine(_run(one, _ECHO))
    across = await _run(other, _PING, "m1")
    within = await _run(one, _PING, "127.0.0.1")
    await echoing
    return Wires(float(bits) / MEGA, float(frames), (float(across) - float(within)) / 2, float(await _run(one, _SYNC)))


async def _both(first: Coroutine[Any, Any, str], second: Coroutine[Any, Any, str]) -> tuple[str, str]:
    going = Deferred.fromCoroutine(first)
    then = await second
    return await going, then


async def _run(machine: Machine, program: str, *arguments: str) -> str:
    command = machine.entering([sys.executable, "-c", program, *arguments], machine.plot.disk)
    out, errors, status = await getProcessOutputAndValue(command[0], command[1:])
    if status:
        raise CannotMeasure(f"{machine.name}: {errors.decode().strip().splitlines()[-1]}")
    return str(out.decode().strip())
