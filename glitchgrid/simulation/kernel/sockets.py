"""`socket.socket`, whose instances belong to the world where a process of the world makes them.

The class takes the place of the standard library's before anything else is imported, and is one of its kind: what the
library has written in Python (`makefile`, `accept`, `close`, `sendfile`) is its own still, and `ssl.SSLSocket` is one.
"""

import _socket
import array
import errno
import functools
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.addresses import INTERFACES
from glitchgrid.simulation.kernel.blocking import blocking
from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, Table, error
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch, Seam
from glitchgrid.simulation.kernel.socket_file import Received, SocketFile
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.tcp import Tcp
from glitchgrid.simulation.kernel.udp import Udp
from glitchgrid.simulation.kernel.unix import Directory
from glitchgrid.simulation.kernel.unix_datagram import UnixDatagram
from glitchgrid.simulation.kernel.unix_stream import UnixStream

T = TypeVar("T")

PASSED_MAX = 253
"""So many descriptors fit into one message (unix(7), SCM_MAX_FD)."""

# Numbers, and no members of an enumeration: these are asked for at each call, and those take long to combine.
_FLAGS = int(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_PEEK, _DONTWAIT, _WAITALL = int(socket.MSG_PEEK), int(socket.MSG_DONTWAIT), int(socket.MSG_WAITALL)
_INERT = int(socket.MSG_NOSIGNAL | socket.MSG_CMSG_CLOEXEC)
_UNKNOWN = ~(_INERT | _PEEK | _DONTWAIT | _WAITALL | int(socket.MSG_TRUNC))
_INT = struct.calcsize("i")
_HEADER = socket.CMSG_LEN(0)

Message = tuple[int, int, bytes]
"""Of what is sent beside the data: its level, its type, and itself (cmsg(3))."""


class System(Protocol):
    """What a socket needs of the kernel."""

    def current(self) -> tuple[Process, Table]: ...

    def stack(self) -> Stack: ...

    def directory(self) -> Directory: ...


def make(system: System, family: int, kind: int, proto: int) -> SocketFile:
    """:raises OSError: EAFNOSUPPORT, EPROTONOSUPPORT or ESOCKTNOSUPPORT for what is not modelled."""
    stack = system.stack()
    if family not in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        raise error(errno.EAFNOSUPPORT)
    match family, kind:
        case socket.AF_UNIX, (socket.SOCK_STREAM | socket.SOCK_SEQPACKET):
            return UnixStream(stack, system.directory())
        case socket.AF_UNIX, socket.SOCK_DGRAM:
            return UnixDatagram(stack, system.directory())
        case _, socket.SOCK_STREAM if proto in {0, socket.IPPROTO_TCP}:
            return Tcp(stack, family)
        case _, socket.SOCK_DGRAM if proto in {0, socket.IPPROTO_UDP}:
            return Udp(stack, family)
    raise error(errno.EPROTONOSUPPORT if kind in {socket.SOCK_STREAM, socket.SOCK_DGRAM} else errno.ESOCKTNOSUPPORT)


class Socket(socket.socket):
    """What takes the place of `socket.socket`: outside of the world nothing but that."""

    __slots__ = ()
    seam: ClassVar[Seam]
    __module__ = "socket"

    def __new__(cls, *_arguments: Any, **_named: Any) -> Self:
        kind: Any = cls
        return super().__new__(_in_the_world(kind) if cls.seam.applies() else cls)


class WorldSocket(Socket):
    """What is made by a process of the world."""

    __slots__ = ("_descriptor", "_file", "_table", "_timeout_s")
    system: ClassVar[System]

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002
        self._io_refs = 0
        self._closed = False
        self._descriptor = -1
        self._timeout_s = socket.getdefaulttimeout()
        _, self._table = self.system.current()
        if fileno is not None:
            self._adopt(fileno)
            return
        family = socket.AF_INET if family == -1 else family
        kind = socket.SOCK_STREAM if type == -1 else type & ~_FLAGS
        self._file = made = make(self.system, family, kind, max(0, proto))
        self._descriptor = self._table.add(made)
        if type != -1 and type & socket.SOCK_NONBLOCK:
            self._timeout_s = 0.0
        made.is_blocking = self._timeout_s is None

    def _adopt(self, fileno: int) -> None:
        if fileno < 0:
            raise ValueError("negative file descriptor")
        file = self._table.file(fileno)
        if not isinstance(file, SocketFile):
            raise error(errno.ENOTSOCK)
        self._file = file
        self._descriptor = fileno
        if not file.is_blocking:
            self._timeout_s = 0.0

    def __repr__(self) -> str:
        state = "[closed] " if self._closed else ""
        return f"<socket.socket {state}of the world, fd={self._descriptor}, family={self.family!r}, type={self.type!r}>"

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0 and self.seam.applies():
            self._real_close()  # as C does for what nobody has any more

    @property
    def family(self) -> Any:
        return socket.AddressFamily(self._file.family)

    @property
    def type(self) -> Any:
        return socket.SocketKind(self._file.kind)

    @property
    def proto(self) -> int:
        return self._file.proto

    @property
    def timeout(self) -> float | None:
        return self._timeout_s

    # What the base has in C. Outside of the world it is the base's.

    def fileno(self) -> int:
        return self._descriptor

    def _real_close(self, *arguments: Any) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            if self._table.find(descriptor) is self._file:
                self._table.close(descriptor)

    def detach(self) -> int:
        self._closed = True
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def setblocking(self, flag: Any) -> None:
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        return self._timeout_s != 0

    def settimeout(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout_s = None if value is None else float(value)
        self._open().is_blocking = value is None

    def gettimeout(self) -> float | None:
        return self._timeout_s

    def bind(self, address: Any) -> None:
        self._open().bind(address)

    def listen(self, backlog: int = socket.SOMAXCONN) -> None:
        self._open().listen(backlog)

    def getsockname(self) -> Any:
        return self._open().local_name()

    def getpeername(self) -> Any:
        return self._open().remote_name()

    def setsockopt(self, level: int, option: int, value: Any, *length: int) -> None:
        self._open().set_option(level, option, value)

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        value = self._open().option(level, option)
        return value.to_bytes(4, "little", signed=True)[:buflen] if buflen and isinstance(value, int) else value

    def shutdown(self, how: int) -> None:
        self._open().shutdown(how)

    def _accept(self) -> tuple[int, Any]:
        file, table = self._open(), self._table

        def taken() -> SocketFile:
            if file.has_waiting:
                table.require_room()  # before anybody is taken from the queue
            return file.accept()

        accepted = self._wait(taken, IN)
        return table.add(accepted), accepted.source_name()

    def connect(self, address: Any) -> None:
        number = self._connect(address, "connect")
        if number == errno.ETIMEDOUT and self._timeout_s:
            raise TimeoutError("timed out")
        if number:
            raise error(number)

    def connect_ex(self, address: Any) -> int:
        return self._connect(address, "connect_ex")

    def _connect(self, address: Any, call: str) -> int:
        if self._descriptor < 0:
            return errno.EBADF
        file = self._open()
        number = file.connect(address, call)
        if number != errno.EINPROGRESS or self._timeout_s == 0:
            return number
        process, _ = self.system.current()
        if not process.wait_for([file], lambda: not file.is_connecting, _in_ns(self._timeout_s)):
            return errno.EAGAIN if self._timeout_s is None else errno.ETIMEDOUT
        number = file.connect(address, call)  # which says, once, how it has ended
        return 0 if number == errno.EISCONN else number

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self._received(bufsize, flags).data if bufsize else b""  # for which Python asks nobody

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        received = self._received(bufsize, flags)
        return received.data, received.source

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.recvfrom_into(buffer, nbytes, flags)[0] if memoryview(buffer).nbytes else 0

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        received = self._received(nbytes or len(view), flags)
        view[: len(received.data)] = received.data
        return len(received.data), received.source

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Message], int, Any]:
        received = self._received(bufsize, flags)
        beside, cut = self._taken_over(received.files, ancbufsize)
        told = cut | (socket.MSG_TRUNC if received.whole > len(received.data) else 0)
        return received.data, beside, told, received.source

    def send(self, data: Any, flags: int = 0) -> int:
        return self._sent(data, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        left = memoryview(bytes(data))
        while left:
            left = left[self._sent(left, flags) :]

    def sendto(self, data: Any, *arguments: Any) -> int:
        return self._sent(data, arguments[0] if len(arguments) > 1 else 0, arguments[-1])

    def sendmsg(self, buffers: Iterable[Any], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None) -> int:
        return self._sent(b"".join(map(bytes, buffers)), flags, address, self._files_in(ancdata))

    # In the world.

    def _open(self) -> SocketFile:
        if self._descriptor < 0:
            raise error(errno.EBADF)
        return self._file

    def _wait(self, call: Callable[[], T], mask: int, flags: int = 0) -> T:
        process, _ = self.system.current()
        timeout_ns = 0 if flags & _DONTWAIT else _in_ns(self._timeout_s)
        file = self._open()
        if timeout_ns is None and not file.is_blocking:
            timeout_ns = 0  # somebody has set O_NONBLOCK behind its back
        return blocking(process, file, call, mask, timeout_ns)

    def _received(self, size: int, flags: int) -> Received:
        if size < 0:
            raise ValueError("negative buffersize in recv")
        if not flags and self._timeout_s == 0:  # as reactors ask, all the time: it waits for nothing
            return self._open().receive(size)
        flags = _known(flags)
        peek = bool(flags & _PEEK)
        received = self._wait(lambda: self._open().receive(size, peek=peek), IN, flags)
        if flags & _WAITALL and 0 < len(received.data) < size:
            more = self._received(size - len(received.data), flags)
            return received._replace(data=received.data + more.data)
        return received

    def _sent(self, data: Any, flags: int, address: Any = None, files: Sequence[OpenFile] = ()) -> int:
        view = bytes(data)
        if not flags and self._timeout_s == 0:
            return self._open().send(view, address, files)
        flags = _known(flags)
        return self._wait(lambda: self._open().send(view, address, files), OUT, flags)

    def _files_in(self, ancdata: Iterable[Any]) -> list[OpenFile]:
        table, files = self._table, []
        for level, kind, data in ancdata:
            if (level, kind) != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                raise NotImplementedError(f"control messages {level}, {kind} are not modelled")
            numbers = array.array("i")
            numbers.frombytes(bytes(data))
            files += [table.file(each) for each in numbers]
        if len(files) > PASSED_MAX:
            raise error(errno.EINVAL)
        return files

    def _taken_over(self, files: Sequence[OpenFile], room: int) -> tuple[list[Message], int]:
        """Descriptors for what has come, as many as there is room for."""
        if not files:
            return [], 0
        table = self._table
        fitting = max(0, (room - _HEADER) // _INT)
        numbers = array.array("i", [table.add(each) for each in files[:fitting]])
        for each in files:
            each.release()
        cut = socket.MSG_CTRUNC if len(files) > fitting else 0
        return ([(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers.tobytes())] if numbers else []), cut


Socket.__name__ = Socket.__qualname__ = "socket"


@functools.cache
def _in_the_world(kind: type[socket.socket]) -> type[Any]:
    """The class of the world's sockets, or for one of a program's own, that class with a socket of the world below it.

    Its own methods come first, and what they call of their base is the world's.
    """
    if kind is Socket or issubclass(kind, WorldSocket):
        return WorldSocket
    return type(kind.__name__, (kind, WorldSocket), {"__slots__": (), "__module__": kind.__module__})


def put_in(seam: Seam, system: System) -> None:
    """Take the place of `socket.socket`, and of the functions of `socket` that make descriptors or end them."""
    Socket.seam = seam
    WorldSocket.system = system
    socket.socket = Socket  # type: ignore[misc]
    seam.put_in(_patches(system))


def _patches(system: System) -> Iterator[Patch]:

    def placed(one: SocketFile, other: SocketFile) -> "tuple[_Bare, _Bare]":
        _, table = system.current()
        return _Bare(table.add(one)), _Bare(table.add(other))

    def pair(family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0) -> "tuple[_Bare, _Bare]":  # noqa: A002
        one, other = (make(system, family or socket.AF_UNIX, type & ~_FLAGS, proto) for _ in range(2))
        if isinstance(one, UnixStream) and isinstance(other, UnixStream):
            one.pair_with(other)
            return placed(one, other)
        if isinstance(one, UnixDatagram) and isinstance(other, UnixDatagram):
            one.pair_with(other)
            return placed(one, other)
        raise error(errno.EOPNOTSUPP)

    def dup(fd: int, /) -> int:
        _, table = system.current()
        return table.add(table.file(fd))

    def close(fd: int, /) -> None:
        system.current()[1].close(fd)

    yield Patch(_socket, "socketpair", pair)
    for module in (_socket, socket):
        yield Patch(module, "dup", dup)
        yield Patch(module, "close", close)
    yield Patch(socket, "if_nameindex", lambda: list(enumerate(INTERFACES, 1)))
    yield Patch(socket, "if_nametoindex", _index)
    yield Patch(socket, "if_indextoname", lambda index: INTERFACES[index - 1])


def _index(name: str) -> int:
    if name not in INTERFACES:
        raise OSError("no interface with this name")
    return INTERFACES.index(name) + 1


class _Bare:
    """A descriptor, as `socket.socketpair` takes one over."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def detach(self) -> int:
        return self._descriptor


def _in_ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * SECOND_NS)


def _known(flags: int) -> int:
    """:raises NotImplementedError: for what is not modelled."""
    number = int(flags)
    if number & _UNKNOWN:
        raise NotImplementedError(f"socket flags {number & _UNKNOWN:#x} are not modelled")
    return number
