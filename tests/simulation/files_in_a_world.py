"""A program for `test_files_of_the_kernel`: the standard library and Twisted on the files of a world, unpatched.

The seam is put in before anything else is imported; hence a process of its own. Its arguments: what to do, and a real
directory in which nothing may change.
"""

import sys

from glitchgrid.simulation.clock import EPOCH_NS, SECOND_NS
from glitchgrid.simulation.kernel import classes, clocks
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.seam import Seam
from glitchgrid.simulation.kernel.signals import Signals
from glitchgrid.simulation.kernel.system import SystemCalls
from glitchgrid.simulation.kernel.threads import Threads

seam = Seam()
kernel = Kernel("a seed", seam, home="/")
calls = FileCalls(kernel.current, kernel.files_of)
seam.put_in(SystemCalls(kernel.current).patches())
seam.put_in(Threads(lambda: kernel.current()[0] if kernel.context.current else None).patches())
seam.put_in(Signals(kernel.current, lambda: kernel.processes).patches())
seam.put_in(clocks.patches(seam, lambda: kernel.current()[0]))
seam.put_in(calls.patches(seam))
classes.put_in(seam, calls)

import glob  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import linecache  # noqa: E402
import mmap  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import shutil  # noqa: E402
import tempfile  # noqa: E402
import traceback  # noqa: E402
import zipfile  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dbm import dumb  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from twisted.persisted.dirdbm import DirDBM  # noqa: E402
from twisted.python.filepath import FilePath  # noqa: E402
from twisted.python.lockfile import FilesystemLock  # noqa: E402
from twisted.python.logfile import DailyLogFile, LogFile  # noqa: E402

REAL = sys.argv[2]
TMP = "/tmp"  # noqa: S108 - the world's

PARTS: dict[str, Callable[[], Any]] = {}


def part(function: Callable[[], Any]) -> Callable[[], Any]:
    PARTS[function.__name__] = function
    return function


@part
def paths() -> None:
    os.makedirs("/data/a/b")
    assert os.path.isdir("/data/a")
    assert not os.path.exists("/data/c")
    pathlib.Path("/data/a/one").write_text("1")
    (pathlib.Path("/data/a") / "two").write_bytes(b"22")
    assert pathlib.Path("/data/a/one").read_text() == "1"
    assert sorted(glob.glob("/data/**", recursive=True)) == [
        "/data/",
        "/data/a",
        "/data/a/b",
        "/data/a/one",
        "/data/a/two",
    ]
    assert [os.path.basename(each) for each in pathlib.Path("/data/a").iterdir()] == ["b", "one", "two"]
    assert list(os.walk("/data")) == [("/data", ["a"], []), ("/data/a", ["b"], ["one", "two"]), ("/data/a/b", [], [])]
    os.chdir("/data/a")
    assert (os.path.abspath("one"), os.getcwd(), str(pathlib.Path.cwd())) == ("/data/a/one", "/data/a", "/data/a")
    os.symlink("one", "link")
    assert os.path.realpath("link") == "/data/a/one"
    assert os.path.samefile("link", "one")
    assert os.path.getmtime("one") == os.stat("one").st_mtime >= EPOCH_NS / SECOND_NS
    pathlib.Path("touched").touch(exist_ok=False)
    pathlib.Path("touched").rename("other").unlink()
    assert not pathlib.Path("other").exists()
    pathlib.Path("link").chmod(0o600)
    assert oct(os.stat("one").st_mode) == "0o100600"


@part
def copies() -> None:
    assert os.open in os.supports_dir_fd
    os.makedirs("/data/a/b")
    with open("/data/a/b/file", "wb") as file:
        file.write(os.urandom(300_000))
    os.symlink("b/file", "/data/a/link")
    shutil.copytree("/data/a", "/copy", symlinks=True)
    assert os.readlink("/copy/link") == "b/file"
    assert pathlib.Path("/copy/link").read_bytes() == pathlib.Path("/data/a/b/file").read_bytes()
    shutil.move("/copy/b/file", "/data/moved")
    shutil.rmtree("/data/a")
    shutil.rmtree("/copy")
    assert os.listdir("/data") == ["moved"]
    shutil.make_archive("/archive", "zip", "/data")
    assert zipfile.ZipFile("/archive.zip").namelist() == ["moved"]
    assert shutil.disk_usage("/data").free > 0


@part
def temporary() -> None:
    assert os.listdir(TMP) == []
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
        file.flush()
        assert os.listdir(TMP) == [os.path.basename(file.name)]
        assert os.stat(file.name).st_size == 1
    with tempfile.TemporaryFile("w+") as text:
        text.write("words\n")
        text.seek(0)
        assert text.readlines() == ["words\n"]
        assert os.fstat(text.fileno()).st_nlink == 0
    with tempfile.TemporaryDirectory() as directory:
        assert os.stat(directory).st_mode & 0o777 == 0o700
        with open(f"{directory}/x", "w"):
            pass
    assert os.listdir(TMP) == []
    with tempfile.SpooledTemporaryFile(max_size=10) as spooled:
        spooled.write(b"x" * 100)
        assert spooled.fileno() >= 0
    descriptor, name = tempfile.mkstemp()
    os.close(descriptor)
    os.unlink(name)


@part
def streams() -> None:
    file: Any
    with open("/f", "w", encoding="utf-8") as file:
        assert isinstance(file.buffer.raw, io.FileIO)
        assert (file.name, file.mode, file.buffer.raw.mode) == ("/f", "w", "wb")
        print("Zeile äöü", file=file)
    with open("/f", "rb") as binary:
        assert (binary.read(), binary.tell()) == ("Zeile äöü\n".encode(), 13)
        assert isinstance(binary, io.BufferedReader)
    with io.FileIO("/f", "a+") as raw:
        raw.write(b"more")
        raw.seek(0)
        assert raw.readall().endswith(b"more")

    class Counting(io.FileIO):
        written = 0

        def write(self, data: Any) -> Any:
            self.written += len(data)
            return super().write(data)

    with Counting("/g", "w") as counting:
        buffered = io.BufferedWriter(counting)
        buffered.write(b"abc")
        buffered.flush()
        counting.write(b"de")
    assert (counting.written == 5, isinstance(counting, Counting), isinstance(counting, io.FileIO)) == (True,) * 3
    output: Any = sys.__stdout__
    assert isinstance(getattr(output.buffer, "raw", output.buffer), io.FileIO)
    descriptor = os.open("/f", os.O_RDONLY)
    with os.fdopen(descriptor) as again:
        assert again.readline() == "Zeile äöü\n"
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(b"through a pipe")
    with open(reading, "rb") as file:
        assert file.read() == b"through a pipe"
    with open("/json", "w") as file:
        json.dump({"a": 1}, file)
    with open("/json") as file:
        assert json.load(file) == {"a": 1}
        with mmap.mmap(-1, 10) as anonymous:
            assert isinstance(anonymous, mmap.mmap)
        with pytest.raises(NotImplementedError, match="/json"):
            mmap.mmap(file.fileno(), 0)
    with open("/dev/null", "w") as null:
        null.write("gone")
    with dumb.open("/database") as database:
        database["k"] = b"v"
    with dumb.open("/database") as database:
        assert database["k"] == b"v"


@part
def listed() -> None:
    descriptor = os.open("/", os.O_RDONLY)
    found = os.listdir("/dev/fd"), os.listdir("/proc/self/fd"), os.listdir(f"/proc/{os.getpid()}/fd")
    assert found == ([str(descriptor)],) * 3, found
    assert os.readlink(f"/proc/self/fd/{descriptor}") == "/"
    assert os.listdir("/proc") == [str(os.getpid()), "self", "stat"]
    assert not os.path.exists("/sys")
    assert not os.path.exists("/proc/cpuinfo")


@part
def real_files() -> None:
    """They are read, by name and by list, and what is done to them is done in the world alone."""
    assert pathlib.Path(__file__).read_text().startswith('"""A program')
    assert os.path.basename(__file__) in os.listdir(os.path.dirname(__file__))
    assert linecache.getline(__file__, 1).startswith('"""A program')
    assert os.stat(__file__).st_mtime_ns == EPOCH_NS
    with pytest.raises(ValueError, match="seen") as raised:
        int("seen")
    assert 'int("seen")' in "".join(traceback.format_exception(raised.value))
    assert sorted(os.listdir(REAL)) == ["directory", "file", "link", "other"]
    with open(f"{REAL}/file", "r+b") as file:
        file.write(b"W")
    with open(f"{REAL}/file", "rb") as file:
        assert file.read() == b"Wld"
    with open(f"{REAL}/other", "a") as text:
        text.write("more")
    os.truncate(f"{REAL}/directory/within", 1)
    os.chmod(f"{REAL}/file", 0o600)
    os.utime(f"{REAL}/file", (1, 1))
    os.rename(f"{REAL}/file", f"{REAL}/directory/moved")
    os.symlink("x", f"{REAL}/new")
    os.unlink(f"{REAL}/link")
    os.link(f"{REAL}/other", f"{REAL}/linked")
    assert os.listdir(REAL) == ["directory", "linked", "new", "other"]
    assert os.listdir(f"{REAL}/directory") == ["moved", "within"]
    os.rename(f"{REAL}/directory", f"{REAL}/elsewhere")
    assert pathlib.Path(REAL, "elsewhere", "moved").read_text() == "Wld"
    assert pathlib.Path(REAL, "elsewhere", "within").read_text() == "w"
    shutil.rmtree(REAL)
    assert not os.path.exists(REAL)
    os.mkdir(REAL)
    assert os.listdir(REAL) == []
    FilePath(__file__).remove()
    assert not FilePath(__file__).exists()


@part
def twisted() -> None:
    path = FilePath("/data").child("state")
    path.parent().makedirs()
    path.setContent(b"content")
    assert path.getContent() == b"content"
    assert path.parent().listdir() == ["state"]
    assert [each.basename() for each in path.parent().walk()] == ["data", "state"]
    path.copyTo(path.sibling("copy"))
    path.sibling("copy").moveTo(path.sibling("moved"))
    assert (path.getsize(), path.isfile(), path.islink(), path.getPermissions().user.write) == (7, True, False, True)
    temporary = path.temporarySibling()
    with temporary.create() as file:
        file.write(b"x")
    temporary.remove()
    database = DirDBM(b"/db")
    database[b"key"] = b"value"
    assert (database[b"key"], database.keys()) == (b"value", [b"key"])
    log = LogFile("log", "/data", rotateLength=10, maxRotatedFiles=2)
    for _ in range(6):
        log.write("x" * 8)
    log.close()
    assert [each for each in os.listdir("/data") if each.startswith("log")] == ["log", "log.1", "log.2"]
    daily = DailyLogFile("daily", "/data")
    daily.write("line\n")
    daily.close()
    assert FilePath("/data/daily").getContent() == b"line\n"
    lock = FilesystemLock("/data/lock")
    assert lock.lock()
    assert os.readlink("/data/lock") == str(os.getpid())
    lock.unlock()
    assert not os.path.lexists("/data/lock")
    poll = __import__("select").epoll()
    with open("/data/state") as opened, pytest.raises(PermissionError):
        poll.register(opened)
    poll.close()


LOSSES = 300


def set_content(value: bytes) -> bytes:
    FilePath("/data/state").setContent(value)
    return FilePath("/data/state").getContent()


def dirdbm(value: bytes) -> bytes:
    DirDBM(b"/data")[b"state"] = value
    return DirDBM(b"/data")[b"state"]


def plainly(value: bytes) -> bytes:
    with open("/data/state", "wb") as file:
        file.write(value)
    with open("/data/state", "rb") as file:
        return file.read()


WAYS = {way.__name__: way for way in (set_content, dirdbm, plainly)}


def store(way: Callable[[bytes], bytes], values: list[bytes]) -> None:
    os.mkdir("/data")
    os.sync()
    for value in values:
        assert way(value) == value


def found() -> bytes | None:
    names = os.listdir("/data")
    return FilePath("/data").child(names[0]).getContent() if len(names) == 1 else None


def run(main: Callable[[], Any]) -> None:
    process = kernel.start(kernel.host("a"), main, files={})
    kernel.run(60 * SECOND_NS, lambda: not process.alive)
    if process.failure is not None:
        raise process.failure
    assert process.status == 0


def lose(way: Callable[[bytes], bytes]) -> None:
    """Print how often the last value was there after a power loss, and how often it was not."""
    kept = 0
    for number in range(LOSSES):
        files = kernel.files(kernel.host("a"))
        files.replace()
        values = [b"%d %d" % (number, each) * 300 for each in range(3)]
        results: list[bytes | None] = []
        run(partial(store, way, values))
        files.lose_power()
        run(lambda results=results: results.append(found()))  # type: ignore[misc]
        kept += results == values[-1:]
    print(kept, LOSSES - kept)


if sys.argv[1] in WAYS:
    lose(WAYS[sys.argv[1]])
else:
    run(PARTS[sys.argv[1]])
