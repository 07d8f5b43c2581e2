"""Processes of the world as Python programs know them: ends, signals, children, threads, and what is their own."""

import asyncio
import atexit
import ctypes.util
import inspect
import logging
import os
import platform
import random
import resource
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
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet import defer, reactor  # noqa: TID251 - as strangers do it
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python import context
from twisted.python.reflect import fullyQualifiedName

from glitchgrid.simulation.clock import SECOND_NS
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


@in_a_world
def test_what_is_not_there_is_an_error_that_names_it(world: World) -> None:
    def work(_reactor: Any) -> None:
        with pytest.raises(NotImplementedError, match=r"os.nice is not modelled"):
            os.nice(1)
        assert not os.isatty(0)
        print("done")

    assert run(world, work) == "done\n"
    assert not os.path.exists("notes.db")


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
def test_a_process_has_limits_of_its_own_and_uses_nothing_of_the_real_machine(world: World) -> None:
    def work(_reactor: Any) -> None:
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1024
        with pytest.raises(ValueError, match="exceeds maximum"):
            resource.setrlimit(resource.RLIMIT_NOFILE, (20, 10))
        resource.setrlimit(resource.RLIMIT_NOFILE, (10, 20))
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (10, 20)
        with pytest.raises(OSError, match="Too many open files"):
            [os.dup(0) for _ in range(10)]
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
        assert resource.getrlimit(resource.RLIMIT_AS) == (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        assert resource.getrusage(resource.RUSAGE_SELF)[:2] == (0, 0)
        before = os.times()
        time.sleep(2)
        after = os.times()
        assert after[:4] == (0, 0, 0, 0)
        assert after.elapsed - before.elapsed == pytest.approx(2, abs=0.01)
        print("done")

    real = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)
    assert run(world, work).startswith("done\n")  # and then its reactor finds no descriptor, and says so
    assert (resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)) == real


@in_a_world
def test_processes_know_each_other_by_proc(world: World) -> None:
    def fields(pid: int | str) -> list[str]:
        with open(f"/proc/{pid}/stat") as file:
            name, _, rest = file.read().rpartition(") ")
        return [name, *rest.split()]

    def work(_reactor: Any) -> None:
        time.sleep(2)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
        mine, its = fields("self"), fields(child.pid)
        assert (mine[0], its[2]) == (f"{os.getpid()} (a", str(os.getpid()))
        ticks = os.sysconf("SC_CLK_TCK")
        assert (int(its[20]) - int(mine[20])) / ticks == pytest.approx(2, abs=0.1)
        assert int(mine[20]) / ticks == pytest.approx(time.monotonic() - 2, abs=0.1)
        with open("/proc/stat") as file:
            (booted,) = (int(line.split()[1]) for line in file if line.startswith("btime"))
        assert booted == pytest.approx(time.time() - time.monotonic(), abs=1)
        with pytest.raises(OSError, match="Invalid argument"):
            os.write(os.open("/proc/stat", os.O_WRONLY), b"x")
        child.wait()
        assert not os.path.exists(f"/proc/{child.pid}")
        print("done")

    assert run(world, work) == "done\n"


@in_a_world
def test_libraries_are_found_where_the_interpreter_loads_them_from(world: World) -> None:
    found: list[str | None] = []
    world["a"].run(lambda _reactor: found.append(ctypes.util.find_library("c")))
    world.run(1)
    assert found == [ctypes.util.find_library("c")] != [None]


@in_a_world
def test_a_child_is_a_program_of_its_own(world: World) -> None:
    def work(_reactor: Any) -> None:
        before = sys.modules["__main__"]
        look = "import sys, __main__; value = 3; print(__main__.value, sys.modules['__main__'] is __main__)"
        assert subprocess.check_output([sys.executable, "-c", look]) == b"3 True\n"
        assert sys.modules["__main__"] is before
        assert not hasattr(before, "value")

    outside = sys.modules["__main__"]
    run(world, work)
    assert sys.modules["__main__"] is outside


@in_a_world
def test_a_program_that_was_just_written_runs(world: World) -> None:
    def work(_reactor: Any) -> None:
        path = os.path.join(tempfile.mkdtemp(), "program")
        with open(path, "w") as file:
            file.write(f"#!{sys.executable}\nprint('it runs')\n")
        os.chmod(path, 0o700)
        assert subprocess.check_output([path]) == b"it runs\n"
        assert subprocess.check_output([sys.executable, path]) == b"it runs\n"

    run(world, work)


@in_a_world
def test_a_function_in_the_place_of_one_is_one(world: World) -> None:
    class Holder:
        method = threading.current_thread
        builtin = threading.Lock

    def work(_reactor: Any) -> None:
        assert inspect.isfunction(threading.current_thread)
        assert threading.current_thread.__qualname__ == "current_thread"
        with pytest.raises(TypeError):
            Holder().method()  # type: ignore[misc]
        assert not Holder().builtin().locked()
        assert fullyQualifiedName(threading.current_thread) == "threading.current_thread"

    run(world, work)


@in_a_world
def test_what_is_no_process_is_not_waited_for(world: World) -> None:
    def work(_reactor: Any) -> None:
        with pytest.raises(TypeError, match="'NoneType' object cannot be interpreted as an integer"):
            os.waitpid(None, 0)  # type: ignore[arg-type]
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)

    run(world, work)


@in_a_world
def test_a_child_finds_itself_among_the_processes(world: World) -> None:
    def work(_reactor: Any) -> None:
        look = "import os; print(os.listdir(f'/proc/{os.getpid()}/fd')[:3])"
        print(subprocess.check_output([sys.executable, "-c", look]).decode(), end="")

    assert run(world, work) == "['0', '1', '2']\n"


ASK = "import os, sys; print(os.getcwd(), os.getgid(), os.environ['KEY'], os.listdir('/proc/self/fd')[:3])"


class Listen(ProcessProtocol):
    def __init__(self) -> None:
        self.done: defer.Deferred[Any] = defer.Deferred()
        self.heard: list[bytes] = []

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.heard.append(data)

    def processEnded(self, reason: Any) -> None:
        self.done.callback((b"".join(self.heard).decode(), reason.value.exitCode))


@in_a_world
def test_twisteds_child_has_another_directory_and_group(world: World) -> None:
    async def work(given: Any) -> None:
        os.mkdir("/there")
        python = sys.executable
        listen = Listen()
        given.spawnProcess(listen, python, [python, "-c", ASK], {"KEY": "value"}, path="/there", gid=7)
        assert await listen.done == ("/there 7 value ['0', '1', '2']\n", 0)
        assert (os.getcwd() == "/there", os.getgid()) == (False, 0)
        listen = Listen()
        given.spawnProcess(listen, "/nowhere", ["/nowhere"], {}, path="/there")
        said, status = await listen.done
        assert ("FileNotFoundError" in said, status) == (True, 1)

    run(world, work)


@in_a_world
def test_a_program_takes_the_place_of_another(world: World) -> None:
    before = "import os, sys, signal; signal.signal(signal.SIGTERM, print); os.environ['KEY'] = 'new'; "
    tell = "print(os.getpid(), os.environ['KEY'], signal.getsignal(15) == signal.SIG_DFL, sys.argv[1:])"
    then = f"import os, sys, signal; {tell}"
    execute = f"os.execv(sys.executable, ['python', '-c', {then!r}, 'argument'])"

    def work(_reactor: Any) -> None:
        child = subprocess.Popen([sys.executable, "-c", before + execute], stdout=subprocess.PIPE, text=True)
        said, _ = child.communicate()
        assert said == f"{child.pid} new True ['argument']\n"

    run(world, work)


@in_a_world
def test_the_interpreter_says_its_version(world: World) -> None:
    def work(_reactor: Any) -> None:
        for option in ("-V", "--version"):
            assert subprocess.check_output([sys.executable, "-E", option]).split()[1:] == [
                platform.python_version().encode()
            ]

    run(world, work)


@in_a_world
def test_libraries_are_the_real_machines(world: World) -> None:
    def work(_reactor: Any) -> None:
        assert ctypes.util.find_library("c") == "libc.so.6"
        assert time.gmtime().tm_year == 2027

    run(world, work)


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


CHOOSING = """from twisted.internet import pollreactor
pollreactor.install()
from twisted.internet import reactor
print(type(reactor).__name__)
reactor.callLater(1, reactor.stop)
reactor.run()
"""


@simulated(seeds=1)
def test_a_program_may_choose_its_reactor(world: World, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(CHOOSING)
    world["a"].run_script(str(program))
    world.run(2)
    assert world["a"].output == "PollReactor\n"


COUNTING = """from tests.simulation.read_at_import import STARTS, VALUE
print(VALUE, STARTS)
with open("/srv/starts", "w") as file:
    file.write(str(STARTS + 1))
"""


@simulated(seeds=2)
def test_modules_that_read_files_at_their_import_read_those_of_their_machine(world: World, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(COUNTING)
    world["a"].host.disk.put("/etc/value", b"of a")
    for name in ("a", "b"):
        world[name].run_script(str(tmp_path / "program.py"))
    world.faults("pause", until=0.1)  # at whose end they are started again
    world.run(1)
    assert world["a"].output == "of a 0\nof a 1\n"
    assert world["b"].output == "usual 0\nusual 1\n"


RAISING = """import sys, threading
class Last:
    def __del__(self): raise LookupError("left behind")
def work(): raise LookupError("in a thread")
thread = threading.Thread(target=work, name="other")
thread.start()
thread.join()
Last()
raise LookupError("at last")
"""


@simulated(seeds=1)
def test_exceptions_that_nobody_catches_are_shown_with_their_lines(world: World) -> None:
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "program.py")
        with open(program, "w") as file:
            file.write(RAISING)
        world["a"].run_script(program, may_end=True)
        world.run(1)
    said = world["a"].output
    assert "Exception in thread other:" in said
    assert "Exception ignored in" in said
    shown = [line.strip() for line in RAISING.splitlines() if "raise" in line]
    assert len(shown) == 3
    assert all(f"    {line}\n" in said for line in shown)
    assert all(f"\nLookupError: {what}\n" in said for what in ("left behind", "in a thread", "at last"))


@simulated(seeds=1)
def test_nobody_waits_for_what_another_program_imports(world: World) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in (
            ("slow_to_import.py", "import time\nprint('begins')\ntime.sleep(10)\n"),
            ("program.py", "import slow_to_import\nprint('has it')\n"),
        ):
            with open(os.path.join(directory, name), "w") as file:
                file.write(text)
        for name in ("killed", "other"):
            world[name].run_script(os.path.join(directory, "program.py"))
        world.run(1)
        world["killed"].kill()
        world["killed"].start()
        assert world.run(20, until=lambda: "has it" in world["other"].output)
        assert world.now < 10.1
        assert world.run(20, until=lambda: "has it" in world["killed"].output)


FORKING = """
import os, sys
from twisted.internet import reactor
from twisted.internet.protocol import ProcessProtocol

class Listen(ProcessProtocol):
    def outReceived(self, data):
        print(data.decode(), end="")

    def processEnded(self, reason):
        print(reason.value.exitCode, "twisted" in sys.modules, os.getcwd() == "/usr")
        reactor.stop()

then = "import os, sys; print(os.getcwd(), 'twisted' in sys.modules)"
reactor.spawnProcess(Listen(), sys.executable, [sys.executable, "-c", then], path="/usr")
reactor.run()
"""


@simulated(seeds=1)
def test_a_program_that_follows_a_fork_imports_for_itself(world: World) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(FORKING)
        file.flush()
        world["a"].run_script(file.name)
        world.run(1)
    assert world["a"].output == "/usr False\n0 True False\n"


@simulated(seeds=1)
def test_loggers_are_a_programs_own(world: World) -> None:
    logging.getLogger("theirs")
    world["a"].run("-n", "--pidfile=", "--logfile=-", "web", "--listen=tcp:80")
    world.run(1)
    assert "Site starting on 80" in world["a"].output


@simulated(seeds=2)
def test_what_imports_for_itself_is_loaded_as_long_as_its_machine_takes(world: World) -> None:
    """At its start and at any other: the first seed's run is in a process that was made ahead, too."""
    world["a"].host.loading_ns = 3 * SECOND_NS
    world["a"].run_module("this", may_end=True)
    world.run(2.9)
    assert not world["a"].output
    world.run(0.2)
    assert "Beautiful" in world["a"].output
    world["a"].start()
    world.run(2.9)
    assert world["a"].output.count("Beautiful") == 1
    world.run(0.2)
    assert world["a"].output.count("Beautiful") == 2
