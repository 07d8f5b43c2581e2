"""`twistd manhole`, twisted.conch's SSH server, with a client that logs in and has Python reckon."""

from typing import Any

from lost import LOST
from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.session import packRequest_pty_req
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet import defer, endpoints, protocol, task

from glitchgrid.testing import World, simulated

MANHOLE = ("manhole", "--sshPort=tcp:22", "--passwd=/srv/passwd", "--sshKeyDir=/srv", "--sshKeySize=2048")
QUESTION, ANSWER = b"6 * 7000\r", b"42000"


class Login(SSHUserAuthClient):
    def getPassword(self, prompt: Any = None) -> Any:
        return defer.succeed(b"secret")

    def getPublicKey(self) -> None:
        return None


class Terminal(SSHChannel):
    name = b"session"
    heard = b""

    def channelOpen(self, _data: Any) -> None:
        self.conn.sendRequest(self, b"pty-req", packRequest_pty_req(b"xterm", (24, 80, 0, 0), b""))
        self.conn.sendRequest(self, b"shell", b"", wantReply=True).addCallback(lambda _: self.write(QUESTION))

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if ANSWER in self.heard and not self.conn.done.called:
            self.conn.done.callback(self.heard)


class Session(SSHConnection):
    def __init__(self, done: Any) -> None:
        super().__init__()
        self.done = done

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.openChannel(Terminal(conn=self))


class Client(SSHClientTransport):
    def __init__(self, done: Any, keys: set[bytes]) -> None:
        self.done = done
        self.keys = keys

    def verifyHostKey(self, hostKey: bytes, fingerprint: Any) -> Any:
        self.keys.add(hostKey)
        return defer.succeed(True)

    def connectionSecure(self) -> None:
        self.requestService(Login(b"joe", Session(self.done)))

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        if not self.done.called:
            self.done.errback(reason)


async def ask(reactor: Any, heard: list[bytes], keys: set[bytes]) -> None:
    while True:
        await task.deferLater(reactor, 1, lambda: None)
        done: defer.Deferred[bytes] = defer.Deferred()
        client = Client(done, keys)
        endpoint = endpoints.clientFromString(reactor, "tcp:server:22:timeout=2")
        try:
            await endpoint.connect(protocol.Factory.forProtocol(lambda client=client: client))
            heard.append(await done.addTimeout(5, reactor))
        except (*LOST, ConchError):
            continue
        finally:
            if client.transport is not None:
                client.transport.abortConnection()


def the_shell_reckons(world: World, *faults: str) -> None:
    heard: list[bytes] = []
    keys: set[bytes] = set()
    server = world["server"]
    server.host.disk.put("/srv/passwd", b"joe:secret\n")
    server.run("-n", "--pidfile=", *MANHOLE)
    world["client"].run(ask, heard, keys)
    world.faults(*faults, on=["server"], until=10)
    world.run(12)
    before = len(heard)
    assert world.run(60, until=lambda: len(heard) > before + 1)
    # The key is made when the server starts first. That it is another one later can only be where it was not written.
    assert len(keys) == 1, "it has another key"


@simulated(seeds=50)
def test_the_shell_reckons(world: World) -> None:
    the_shell_reckons(world, "kill", "cut", "pause", "clog")


@simulated(seeds=50)
def test_the_shell_reckons_after_a_power_loss(world: World) -> None:
    the_shell_reckons(world, "power loss", "cut", "pause", "clog")
