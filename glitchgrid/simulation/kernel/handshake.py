"""How a TCP connection comes about: three packets. The first is sent again while there is no answer (RFC 9293, 3.5)."""

import errno
from typing import TYPE_CHECKING

from glitchgrid.simulation.connection import End
from glitchgrid.simulation.kernel.addresses import Where
from glitchgrid.simulation.kernel.stack import Stack

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.tcp import Tcp

CONNECT_RETRY_NS = 1_000_000_000
"""Linux sends the first packet of a connection again after so long, then after twice that, and so on."""

CONNECT_RETRIES_MAX = 6
"""Linux's tcp_syn_retries."""


class Handshake:
    """The server's side is there, and can be accepted, when the third packet has come."""

    def __init__(self, client: "Tcp", remote: Where) -> None:
        self._client = client
        self._remote = remote
        self._world = client.stack.host.world
        target = client.stack.at(remote.address)
        assert target is not None, "`Tcp.connect` has looked"
        self._target = target
        self._attempts = 0
        self._is_over = False

    @property
    def _is_off(self) -> bool:
        """It is over, or the client wants it no more."""
        return self._is_over or self._client.handshake is not self

    def begin(self) -> None:
        target = self._target
        if target is self._client.stack:
            self._asked(target)
            if self._is_over:
                return
        self._try()

    def _try(self) -> None:
        client = self._client
        if self._is_off:
            return
        if self._attempts > CONNECT_RETRIES_MAX:
            self._fail(errno.ETIMEDOUT)
        else:
            out, back = client.stack.link_to(self._target), self._target.link_to(client.stack)
            if not out.is_cut and not back.is_cut:
                self._world.after(out.delay_ns(), self._asked, self._target)
            self._world.after(CONNECT_RETRY_NS << self._attempts, self._try)
            self._attempts += 1

    def _asked(self, target: Stack) -> None:
        client = self._client
        if target is not client.stack:
            out = client.stack.link_to(target)
            if out.is_held:
                out.keep(lambda: self._asked(target))
                return
        if self._is_off or not target.host.is_powered:
            return  # over already: a packet that was sent again is known for what it is
        listener = _listener(target, self._remote)
        if listener is None:
            if target is client.stack:
                self._fail(errno.ECONNREFUSED)
            else:
                self._world.after(target.link_to(client.stack).delay_ns(), self._fail, errno.ECONNREFUSED)
        elif listener.has_room:
            self._open(listener, target)

    def _fail(self, number: int) -> None:
        if not self._is_off:
            self._is_over = True
            self._client.fail(number)

    def _open(self, listener: "Tcp", target: Stack) -> None:
        client, world = self._client, self._world
        self._is_over = True
        server = listener.offspring(self._remote, client.local)
        number = client.stack.host.network.next_connection()
        near = End(number, client.stack.host, client.stack.flow_to(target))
        far = End(number, target.host, target.flow_to(client.stack))
        near.peer, far.peer = far, near
        if world.capture is not None:
            here, there = (client.stack.host.name, client.local.port), (target.host.name, self._remote.port)
            near.captured, far.captured = world.capture.add(here, there), world.capture.add(there, here)

        listener.expect()

        def answered() -> None:
            if client.handshake is not self:
                near.close(reset=True)
                listener.miss()
                return
            client.connected(near)
            near.flow.send(acknowledged)

        def acknowledged() -> None:
            world.note(target.host.name, f"accept {number} from {client.stack.host.name}")
            server.connected(far)
            if listener.is_closed:
                server.reset()
            else:
                listener.take(server)

        far.flow.send(answered)


def _listener(target: Stack, remote: Where) -> "Tcp | None":
    for found in target.tcp.at(remote):
        if found.is_listening:
            return found
    return None
