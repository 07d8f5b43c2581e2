"""The names of UNIX sockets: inodes of a file system, as a process finds them."""

from glitchgrid.simulation.kernel.caller import Caller
from glitchgrid.simulation.kernel.naming import make_socket, unlink
from glitchgrid.simulation.kernel.nodes import Socket
from glitchgrid.simulation.kernel.unix import UnixFile

USUAL = 0o777


class SocketNames:
    """A `glitchgrid.simulation.kernel.unix.Directory`.

    :param caller: who knows where the process stands whose code runs.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def add_socket(self, path: str, file: UnixFile) -> None:
        make_socket(self._caller.files, self._caller.at(path), USUAL & ~self._caller.place.umask, file)

    def remove_socket(self, path: str) -> None:
        unlink(self._caller.files, self._caller.at(path))

    def socket_at(self, path: str) -> UnixFile | None:
        """None, too, where something else has that name."""
        node = self._caller.node(path)
        found = node.bound if isinstance(node, Socket) else None
        return found if isinstance(found, UnixFile) else None
