"""Processes of the world as Python programs know them: ends, signals, children, threads, and what is their own."""

import asyncio
import atexit
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet import defer, reactor  # noqa: TID251 - as strangers do it
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python import context

from glitchgrid.testing import World, simulated

in_a_world = simulated(seeds=1, modules="shared")


def run(world: World, function: Any, seconds: float = 30) -> str:
    """What it has said."""
    world["a"].run(function)
    world.run(seconds)
    return world["a"].output


def slowly(value: int) -> int:
    time.sleep(1)
    return value


@in_a_world
def test_time_and_chance_are_the_worlds(world: World) -> None:
    drawn: list[Any] = []

    def tell(_reactor: Any) -> None:
        assert datetime.now().year == time.gmtime().tm_year == 2027  # noqa: DTZ005 - it is what it is about
        drawn.append((random.random(), os.urandom(4), uuid.uuid4(), random.Random().random()))
        time.sleep(3600)
        drawn.append(time.time())

    world["a"].run(tell)
    world["b"].run(tell)
    world.run(5000)
    one, other, *times = drawn
    assert not set(one) & set(other)
    assert times == pytest.approx([1_800_003_600] * 2, abs=0.1)


@in_a_world
def test_threads_have_their_own(world: World) -> None:
    def work(_reactor: Any) -> None:
        local = threading.local()
        seen: SimpleQueue[str] = SimpleQueue()
        local.value = "main"

        def other() -> None:
            assert not hasattr(local, "value")
            assert threading.current_thread().name == "other"
            time.sleep(1)
            seen.put(threading.main_thread().name)

        thread = threading.Thread(target=other, name="other")
        thread.start()
        assert seen.get(timeout=2) == "MainThread"
        thread.join()
        assert (local.value, threading.active_count()) == ("main", 1)
        with ThreadPoolExecutor(3) as pool:
            before = time.monotonic()
            assert list(pool.map(slowly, range(6))) == list(range(6))
            assert 2 <= time.monotonic() - before < 2.1
        event, condition = threading.Event(), threading.Condition()
        threading.Timer(5, event.set).start()
        assert not event.wait(4)
        assert event.wait(2)
        with condition:
            assert not condition.wait(0.5)
        print("done")

    assert run(world, work) == "done\n"


@in_a_world
def test_twisteds_context_is_a_threads_own(world: World) -> None:
    async def work(_reactor: Any) -> None:
        def look() -> Any:
            return context.get("key")

        assert await context.call({"key": "mine"}, deferToThread, look) == "mine"
        assert await deferToThread(look) is None

    run(world, work)


@in_a_world
def test_signals_wake_and_end(world: World) -> None:
    def work(_reactor: Any) -> None:
        seen: list[int] = []
        signal.signal(signal.SIGUSR1, lambda number, _frame: seen.append(number))
        os.kill(os.getpid(), signal.SIGUSR1)
        assert seen == [signal.SIGUSR1]
        signal.signal(signal.SIGALRM, lambda number, _frame: seen.append(number))
        signal.setitimer(signal.ITIMER_REAL, 2)
        before = time.monotonic()
        signal.pause()
        assert (seen[1:], round(time.monotonic() - before)) == ([signal.SIGALRM], 2)
        with pytest.raises(ProcessLookupError):
            os.kill(4, 0)
        print("waits", flush=True)
        time.sleep(100)

    world["a"].run(work)
    world.run(10)
    assert world["a"].output == "waits\n"
    (process,) = world.kernel.processes
    process.kill(signal.SIGUSR2)
    world.run(1)
    assert process.status == -signal.SIGUSR2


@in_a_world
def test_a_stopped_process_does_nothing(world: World) -> None:
    ticks: list[float] = []

    def tick(_reactor: Any) -> None:
        while True:
            time.sleep(1)
            ticks.append(world.now)

    world["a"].run(tick)
    world.run(3.5)
    world["a"].pause()
    world.run(10)
    assert len(ticks) == 3
    world["a"].resume()
    world.run(1)
    assert len(ticks) > 3


CHILD = "import sys, os; print(sys.argv[1], os.environ['KEY'], sys.stdin.read()); sys.exit(3)"


@in_a_world
def test_a_child_by_subprocess(world: World) -> None:
    def work(_reactor: Any) -> None:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, "argument"], input="text", capture_output=True, text=True, check=False,
            env={"KEY": "value"},
        )  # fmt: skip
        print(done.returncode, done.stdout, end="")
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(2)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        with pytest.raises(FileNotFoundError):
            subprocess.Popen(["/nowhere/at/all"])
        with pytest.raises(NotImplementedError, match="not a program of Python's"):
            subprocess.Popen(["/bin/true"])
        with pytest.raises(NotImplementedError, match="Start twistd with -n"):
            os.fork()

    assert run(world, work) == "3 argument value text\n"


@in_a_world
def test_a_child_of_twisteds(world: World) -> None:
    class Talk(ProcessProtocol):
        transport: Any

        def __init__(self) -> None:
            self.done: defer.Deferred[Any] = defer.Deferred()
            self.heard = b""

        def connectionMade(self) -> None:
            self.transport.write(b"text")
            self.transport.closeStdin()

        def outReceived(self, data: bytes) -> None:
            self.heard += data

        def processEnded(self, reason: Any) -> None:
            self.done.callback((self.heard, reason.value.exitCode))

    async def work(given: Any) -> None:
        talk = Talk()
        given.spawnProcess(talk, sys.executable, [sys.executable, "-c", CHILD, "argument"], {"KEY": "value"})
        assert await talk.done == (b"argument value text\n", 3)

    run(world, work)


@in_a_world
def test_the_end_of_an_interpreter(world: World) -> None:
    def work(_reactor: Any) -> None:
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: print("a thread", slowly(2))).start()
        sys.exit("goodbye")

    world["a"].run(work)
    world.run(10)
    (process,) = world.kernel.processes
    assert (world["a"].output, process.status) == ("goodbye\na thread 2\nat exit\n", 1)


@in_a_world
def test_the_global_reactor_is_each_processs_own(world: World) -> None:
    fired: list[tuple[str, bool]] = []

    def work(given: Any, name: str) -> None:
        assert given is reactor
        reactor.callLater(1, lambda: fired.append((name, reactor.running)))
        reactor.callLater(2, reactor.stop)

    for name in ("a", "b"):
        world[name].run(work, name)
    world.run(5)
    assert fired == [("a", True), ("b", True)]


@in_a_world
def test_asyncio(world: World) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(serve, port=7)
        await asyncio.wait_for(server.serve_forever(), 20)

    async def ask() -> None:
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("a", 7)
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"HELLO\n"
        assert await asyncio.to_thread(slowly, 5) == 5
        print("done")
        writer.close()

    def run_it(_reactor: Any, main: Any) -> None:
        with suppress(TimeoutError):
            asyncio.run(main())

    world["a"].run(run_it, listen)
    world["b"].run(run_it, ask)
    world.run(30)
    assert world["b"].output == "done\n"


@simulated(seeds=1, modules="shared", reactor="asyncio")
def test_twisted_on_asyncio(world: World) -> None:
    async def work(given: Any) -> None:
        assert type(given).__name__ == "AsyncioSelectorReactor"
        assert await deferToThread(slowly, 7) == 7
        print("done")

    assert run(world, work) == "done\n"


STATE = """
import logging, sys, os, tempfile
from state_of_a_program import seen
seen.append(len(seen))
print(seen, len(logging.getLogger().handlers), os.environ.get("SET"))
logging.getLogger().addHandler(logging.StreamHandler())
os.environ["SET"] = "yes"
"""


@simulated(seeds=1)
def test_a_restart_forgets(world: World) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in (("state_of_a_program.py", "seen = []\n"), ("program.py", STATE)):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        program = os.path.join(directory, "program.py")
        world["a"].run_script(program)
        world["b"].run_script(program)
        world.run(1)
        world["a"].start()
        world.run(1)
    assert world["a"].output == "[0] 0 None\n" * 2
    assert world["b"].output == "[0] 0 None\n"


@simulated(seeds=1)
def test_loggers_are_a_programs_own(world: World) -> None:
    logging.getLogger("theirs")
    world["a"].run("-n", "--pidfile=", "--logfile=-", "web", "--listen=tcp:80")
    world.run(1)
    assert "Site starting on 80" in world["a"].output
