"""A program for `test_sqlite_of_the_kernel`: the standard library's `sqlite3` on the files of a world, unpatched.

The seam is put in before anything else is imported; hence a process of its own. Its arguments: what to do, and more.
"""

import sys
from collections.abc import Callable

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel import clocks, sqlite
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Seam
from glitchgrid.simulation.kernel.system import SystemCalls
from glitchgrid.simulation.kernel.threads import Threads
from glitchgrid.simulation.random_stream import RandomStream

seam = Seam()
kernel = Kernel("a seed", seam)
calls = FileCalls(kernel.current, kernel.files_of)
seam.put_in(SystemCalls(kernel.current).patches())
seam.put_in(Threads(lambda: kernel.current()[0] if kernel.context.current else None).patches())
seam.put_in(clocks.patches(seam, lambda: kernel.current()[0]))
seam.put_in(calls.patches(seam))


def entropy(name: str) -> Callable[[int], bytes]:
    """A stream of bytes."""
    stream = RandomStream(name)
    return lambda size: bytes(stream.below(256) for _ in range(size))


seam.put_in(sqlite.patches(seam, calls, entropy("a seed")))

import gc  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import sqlite3  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402

MS_NS = 1_000_000
PATH = "/data/db"
PARTS: dict[str, Callable[[], Any]] = {}


def part(function: Callable[[], Any]) -> Callable[[], Any]:
    PARTS[function.__name__] = function
    return function


def run(*mains: Callable[[], Any], host: str = "a") -> list[Process]:
    processes = [kernel.start(kernel.host(host), main) for main in mains]
    kernel.run(600 * SECOND_NS, lambda: not any(each.alive for each in processes))
    for each in processes:
        if each.failure is not None:
            raise each.failure
    return processes


def connected(path: str = PATH, **named: Any) -> Any:
    return sqlite3.connect(path, isolation_level=None, **named)


def begin(*pragmas: str) -> None:
    """A durable, empty table."""
    os.makedirs("/data")
    with connected() as database:
        for each in pragmas:
            database.execute(f"PRAGMA {each}")
        database.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    database.close()
    os.sync()


@part
def usual() -> None:
    """Whatever a program does with a database of its own."""

    def main() -> None:
        begin()
        for mode in ("delete", "truncate", "persist", "memory", "wal", "off", "delete"):
            database = connected()
            assert database.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
            database.execute("BEGIN")
            database.executemany("INSERT INTO t (v) VALUES (?)", [("x" * 3000,) for _ in range(100)])
            database.execute("COMMIT")
            database.execute("BEGIN")
            database.execute("DELETE FROM t")
            if mode != "off":
                database.execute("ROLLBACK")
                assert database.execute("SELECT count(*) FROM t").fetchone() == (100,)
            else:
                database.execute("COMMIT")
            database.execute("DELETE FROM t")
            database.execute("VACUUM")
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()
        assert os.listdir("/data") == ["db"]

    run(main)
    run(several)
    assert not pathlib.Path("/data").exists()
    with tempfile.TemporaryDirectory() as real:  # and outside of the world
        database = connected(f"{real}/db")
        database.execute("CREATE TABLE t (k)")
        database.close()
        assert os.listdir(real) == ["db"]
        assert os.path.getsize(f"{real}/db") > 0


def several() -> None:
    """More than one database, and what is in none of them."""
    os.chdir("/data")
    os.symlink("db", "link")
    database = connected("link")
    database.execute("ATTACH 'other' AS o")
    database.execute("CREATE TABLE o.t (k)")
    database.execute("CREATE TEMP TABLE s AS SELECT 1 AS k")
    database.execute("BEGIN")
    database.execute("INSERT INTO o.t VALUES (1)")
    database.execute("INSERT INTO main.t (v) VALUES ('y')")
    assert set(os.listdir("/data")) > {"db", "db-journal", "other", "other-journal"}
    database.execute("COMMIT")
    with sqlite3.connect("copy") as copy:
        database.backup(copy)
    assert copy.execute("SELECT v FROM t").fetchall() == [("y",)]
    assert sqlite3.connect("file:copy?mode=ro", uri=True).execute("SELECT count(*) FROM t").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connected("file:nothing?mode=ro", uri=True)
    assert database.execute("SELECT strftime('%s', 'now')").fetchone() == (str(int(time.time())),)
    assert connected(":memory:").execute("SELECT 1").fetchone() == (1,)
    for number in range(2000):
        database.execute("INSERT INTO t (v) VALUES (?)", (str(number) * 50,))
    database.execute("PRAGMA temp_store=FILE")
    database.execute("PRAGMA cache_size=5")
    assert database.execute("SELECT count(*) FROM (SELECT DISTINCT v FROM t ORDER BY v DESC)").fetchone() == (2001,)


@part
def chances() -> None:
    """Random numbers are those that the world gives, in each world of one real process."""
    drawn: list[Any] = []

    def main() -> None:
        drawn.append(connected("/db").execute("SELECT random(), hex(randomblob(8))").fetchone())

    for name in ("one", "another", "one"):
        seam.put_in(sqlite.patches(seam, calls, entropy(name)))
        run(main)
    assert drawn[0] == drawn[2] != drawn[1], drawn


@part
def locks() -> None:
    lock("delete")
    kernel.files(kernel.host("a")).replace()
    lock("wal")


def lock(mode: str) -> None:
    """One process has the lock for half a second, and then until it is killed; another one waits for it."""
    run(partial(begin, f"journal_mode={mode}"))
    said: list[Any] = []
    began_ns = kernel.context.now_ns

    def say(what: Any) -> None:
        said.append(((kernel.context.now_ns - began_ns) // (100 * MS_NS), what))

    def holder() -> None:
        database = connected()
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t VALUES (1, 'x')")
        time.sleep(0.5)
        database.execute("COMMIT")
        say("committed")
        time.sleep(0.5)
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(1000)

    def waits() -> None:
        time.sleep(0.2)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            connected(timeout=0.1).execute("INSERT INTO t VALUES (2, 'x')")
        database = connected(timeout=5)
        say(database.execute("SELECT count(*) FROM t").fetchone())
        database.execute("INSERT INTO t VALUES (2, 'x')")
        say("inserted")
        time.sleep(1)
        database.execute("PRAGMA busy_timeout=600000")
        database.execute("INSERT INTO t VALUES (3, 'x')")
        say(database.execute("SELECT count(*) FROM t").fetchone())

    processes = [kernel.start(kernel.host("a"), main) for main in (holder, waits)]
    kernel.context.after(3 * SECOND_NS, processes[0].kill, 9)
    kernel.run(60 * SECOND_NS, lambda: not processes[1].alive)
    assert processes[1].failure is None, processes[1].failure
    assert [what for _, what in said] == [(0,), "committed", "inserted", (3,)], said
    read_at, committed_at, inserted_at, last_at = (at for at, _ in said)
    assert (read_at, committed_at) == (3, 5), said
    assert committed_at <= inserted_at < 10, said
    assert 30 <= last_at < 35, said  # behind the end of the one that was killed


@part
def readers() -> None:
    """Whoever reads keeps writers waiting, with a rollback journal; and lets nobody wait with a log."""
    for mode, waits in (("delete", True), ("wal", False)):
        kernel.files(kernel.host("a")).replace()
        run(partial(begin, f"journal_mode={mode}"), partial(read_slowly, waits))


def read_slowly(waits: bool) -> None:
    time.sleep(0.1)
    database = connected()
    database.executemany("INSERT INTO t VALUES (?, 'x')", [(number,) for number in range(100)])
    reading = connected().execute("SELECT * FROM t")
    assert reading.fetchone() == (0, "x")
    writer = connected(timeout=0.1)
    if waits:
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            writer.execute("DELETE FROM t")
    else:
        writer.execute("DELETE FROM t")
    assert len(reading.fetchall()) == 99
    writer.execute("DELETE FROM t")
    assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)


@part
def dead() -> None:
    """What dead processes left is thrown away: none of their code runs, and nothing that is real changes."""
    acted: list[str] = []
    ways = (
        "journal_mode=delete",
        "synchronous=OFF",
        "locking_mode=EXCLUSIVE",
        "journal_mode=wal",
        "journal_mode=persist",
    )
    places = [(pragma, is_within) for pragma in ways for is_within in (False, True)]

    def main(path: str, pragma: str, is_within: bool) -> None:
        database = connected(path)
        database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE t (v)")
        database.execute("BEGIN")
        database.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
        if not is_within:
            time.sleep(1000)
        try:
            while True:  # within the library, most of the time
                database.execute("COMMIT")
                database.execute("BEGIN")
                database.execute("INSERT INTO t VALUES ('x')")
                time.sleep(0.0001)
        except BaseException as error:
            acted.append(repr(error))
            raise

    with tempfile.TemporaryDirectory() as real:
        for number, (pragma, is_within) in enumerate(places):
            kernel.start(kernel.host("a"), partial(main, f"{real}/{number}", pragma, is_within))
        kernel.run(40 * MS_NS)
        names = [f"{number}{end}" for number in range(len(places)) for end in ("", "-journal", "-wal")]
        for process in kernel.processes:
            assert process.alive, process.failure
            process.kill(9)
        for name in names:
            pathlib.Path(real, name).write_text("real")
        throw_away()
        assert sorted(os.listdir(real)) == sorted(names)
        assert {pathlib.Path(real, name).read_text() for name in names} == {"real"}
    assert set(acted) <= {"GreenletExit()"}, acted


def throw_away() -> None:
    """What is left of all processes."""
    for process in kernel.processes:
        process.let_go()
    kernel.processes.clear()
    gc.collect()


class Syncs:
    """How many go on at once, at the most."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0

    def watch(self, name: str) -> None:
        files = kernel.files(kernel.host(name))
        sync = files.sync

        def count(*arguments: Any) -> None:
            self._now += 1
            self.most = max(self.most, self._now)
            sync(*arguments)
            self._now -= 1

        files.sync = count  # type: ignore[assignment, method-assign]


@part
def machines() -> None:
    """Two processes on two machines, both in the midst of a commit, again and again."""
    syncs = Syncs()

    def main(name: str) -> None:
        begin()
        database = connected()
        for number in range(50):
            database.execute("INSERT INTO t VALUES (?, ?)", (number, f"{name} {number}" * 100))
            rows = database.execute("SELECT v FROM t ORDER BY k").fetchall()
            assert rows == [(f"{name} {each}" * 100,) for each in range(number + 1)]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    for name in "ab":
        syncs.watch(name)
    processes = [kernel.start(kernel.host(name), partial(main, name)) for name in "ab"]
    kernel.run(600 * SECOND_NS, lambda: not any(each.alive for each in processes))
    assert [each.failure for each in processes] == [None, None]
    assert syncs.most == 2


@part
def threads() -> None:
    """A thread uses its own connection, and is told where it uses another one's."""
    seen: list[Any] = []

    def main() -> None:
        begin()
        database = connected()

        def other() -> None:
            try:
                database.execute("SELECT 1")
            except sqlite3.ProgrammingError as error:
                seen.append(str(error)[:44])
            own = connected()
            for number in range(20):
                own.execute("INSERT INTO t VALUES (?, '')", (number,))
            own.close()

        thread = threading.Thread(target=other)
        thread.start()
        for number in range(100, 120):
            database.execute("INSERT INTO t VALUES (?, '')", (number,))
        thread.join()
        seen.append(database.execute("SELECT count(*) FROM t").fetchone())

    run(main)
    assert seen == ["SQLite objects created in a thread can only ", (40,)], seen


@part
def shared() -> None:
    """Threads that share a connection wait for each other, as the library's own lock makes them."""
    seen: list[Any] = []

    def main() -> None:
        begin()
        database = connected(check_same_thread=False)

        def insert(first: int) -> None:
            for number in range(first, first + 30):
                began_ns = kernel.context.now_ns
                database.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 2000))
                took_ns.append(kernel.context.now_ns - began_ns)
                assert database.execute("SELECT v FROM t WHERE k = ?", (number,)).fetchone() == ("x" * 2000,)

        working = [threading.Thread(target=insert, args=(first,)) for first in (0, 100, 200)]
        for each in working:
            each.start()
        for each in working:
            each.join()
        for kept in (database, connected()):  # what the one has in memory, and what is in the file
            seen.append(kept.execute("SELECT count(*) FROM t").fetchone())
            seen.append(kept.execute("PRAGMA integrity_check").fetchone())

    took_ns: list[int] = []
    run(main)
    assert seen == [(90,), ("ok",)] * 2, seen
    assert min(took_ns) > MS_NS, "one was told of a commit before anything was synced"


@part
def shortages() -> None:
    def main() -> None:
        begin()
        files = kernel.files(kernel.host("a"))
        database = connected()
        files.is_full = True
        with pytest.raises(sqlite3.OperationalError, match=r"full|unable to open"):
            database.execute("INSERT INTO t VALUES (1, ?)", ("x" * 100_000,))
        files.calm()
        database.execute("INSERT INTO t VALUES (1, ?)", ("x" * 100_000,))
        files.is_read_only = True
        with pytest.raises(sqlite3.OperationalError, match=r"readonly|unable to open"):
            connected().execute("INSERT INTO t VALUES (2, '')")
        assert connected().execute("SELECT length(v) FROM t").fetchone() == (100_000,)
        files.calm()
        files.syncs_to_fail = 1
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            connected().execute("INSERT INTO t VALUES (2, '')")
        files.fails_to.add("read")
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            connected().execute("SELECT * FROM t")

    run(main)


@part
def power() -> None:
    """Print what was found after so many power losses, or deaths, at any time."""
    pragma, deaths, kills = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "kill"
    told: Counter[str] = Counter()
    for seed in range(deaths):
        told[one_death(pragma, random.Random(seed), kills)] += 1
    print(dict(sorted(told.items())))


def one_death(pragma: str, chance: random.Random, kills: bool) -> str:
    files = kernel.files(kernel.host("a"))
    files.replace()
    run(partial(begin, *pragma.split(",")))
    committed = [0]

    def work() -> None:
        database = connected()
        for each in pragma.split(","):
            database.execute(f"PRAGMA {each}")
        database.execute("PRAGMA cache_size=3")
        for number in range(10**6):
            database.execute("BEGIN")
            for place in range(4):
                database.execute("INSERT INTO t VALUES (?, ?)", (4 * number + place, "x" * chance.randrange(3000)))
            database.execute("UPDATE t SET v = v || 'y' WHERE k <= ?", (chance.randrange(4 * number + 4),))
            database.execute("COMMIT")
            committed[0] += 1
            time.sleep(0.001)

    process = kernel.start(kernel.host("a"), work)
    kernel.run(chance.randrange(1, 120) * MS_NS)
    assert process.alive, process.failure
    if kills:
        process.kill(9)
    else:
        process.vanish()
        files.lose_power()
    found: list[str] = []
    run(lambda: found.append(verdict(committed[0])))
    return found[0]


def verdict(committed: int) -> str:
    try:
        database = connected()
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            return "corrupt"
        count = database.execute("SELECT count(*) FROM t").fetchone()[0]
    except sqlite3.DatabaseError:
        return "corrupt"
    if count % 4:
        return "half a commit"
    return "fine" if count >= 4 * committed else "lost a commit"


PARTS[sys.argv[1]]()
throw_away()
sys.stdout.flush()
os._exit(0)
