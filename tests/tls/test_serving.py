"""The server's end of TLS, in memory and in simulated time: deadlines, limits, and an exchange of certificates."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.tls.files import OptionFile
from glitchgrid.tls.serving import CLOSE_TIMEOUT_S, HANDSHAKE_TIMEOUT_S, ServerTLS
from tests.certificates import Authority


class KeptEndpoint:
    """Keeps what would listen."""

    def listen(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        return succeed(None)


class Talking(Protocol):
    """What is behind TLS: keeps what it is told."""

    def __init__(self) -> None:
        self.heard = b""
        self.has_ended = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.has_ended = True


class TalkingFactory(Factory):
    """:ivar is_full: takes nobody."""

    is_full = False

    def buildProtocol(self, addr: object) -> Talking | None:
        self.made = Talking()
        return None if self.is_full else self.made


class CuttableTransport(StringTransport):
    """One that is told to cut its connection."""

    connected = True
    has_been_cut = False

    def abortConnection(self) -> None:
        self.has_been_cut = True


class Client:
    """The other end, by Python's own TLS."""

    def __init__(self, server: Any, transport: CuttableTransport, context: ssl.SSLContext) -> None:
        self._server = server
        self._transport = transport
        self._into, self._from = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._into, self._from, server_hostname="server")

    def carry(self) -> None:
        """Both ways, until nothing is under way."""
        while True:
            there, back = self._from.read(), self._transport.value()
            self._transport.clear()
            if not (there or back):
                return
            self._into.write(back)
            if there:
                self._server.dataReceived(there)
            if not self.tls.version() or not self._is_done:
                self.shake_hands_once()

    _is_done = False

    def shake_hands_once(self) -> None:
        try:
            self.tls.do_handshake()
            self._is_done = True
        except ssl.SSLWantReadError:
            pass

    def shake_hands(self) -> None:
        self.shake_hands_once()
        self.carry()


class ServingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.authority = Authority(Path(directory.name))
        self.certificate, self.key = self.authority.issue("own", "server")
        self.tls = ServerTLS(
            OptionFile("tls-cert", str(self.certificate)), OptionFile("tls-key", str(self.key)), client_ca=None
        )
        self.clock = Clock()
        kept = KeptEndpoint()
        self.factory = TalkingFactory()
        self.tls.endpoint(kept, self.clock).listen(self.factory)  # type: ignore[arg-type]
        self.listening = kept.factory
        self.transport = CuttableTransport()

    def connect(self) -> Any:
        server = self.listening.buildProtocol(None)
        server.makeConnection(self.transport)
        return server

    def talk(self) -> tuple[Any, Client]:
        server = self.connect()
        client = Client(server, self.transport, self.authority.client())
        client.shake_hands()
        return server, client

    def test_what_is_said_arrives(self) -> None:
        server, client = self.talk()
        client.tls.write(b"there")
        client.carry()
        self.assertEqual(self.factory.made.heard, b"there")
        server.write(b"back")
        client.carry()
        self.assertEqual(client.tls.read(), b"back")

    def test_a_silent_client_is_cut_off(self) -> None:
        self.connect()
        self.clock.advance(HANDSHAKE_TIMEOUT_S - 0.001)
        self.assertFalse(self.transport.has_been_cut)
        self.clock.advance(0.001)
        self.assertTrue(self.transport.has_been_cut)

    def test_a_client_that_has_shaken_hands_may_be_silent(self) -> None:
        self.talk()
        self.clock.advance(10 * HANDSHAKE_TIMEOUT_S)
        self.assertFalse(self.transport.has_been_cut)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_client_that_does_not_agree_to_an_end_is_cut_off(self) -> None:
        for end in ("loseConnection", "loseWriteConnection"):
            self.transport = CuttableTransport()
            server, client = self.talk()
            getattr(server, end)()
            client.carry()
            self.assertEqual(client.tls.read(), b"", "it is told of the end")
            self.clock.advance(CLOSE_TIMEOUT_S - 0.001)
            self.assertFalse(self.transport.has_been_cut)
            self.clock.advance(0.001)
            self.assertTrue(self.transport.has_been_cut)

    def test_a_client_that_agrees_is_not(self) -> None:
        server, client = self.talk()
        server.loseConnection()
        client.carry()
        client.tls.unwrap()
        client.carry()
        self.assertTrue(self.transport.disconnecting)
        server.connectionLost()
        self.assertTrue(self.factory.made.has_ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(self.transport.has_been_cut)

    def test_whoever_is_beyond_the_limit_is_not_taken(self) -> None:
        self.factory.is_full = True
        self.assertIsNone(self.listening.buildProtocol(None))

    def test_a_certificate_is_exchanged_for_those_who_come(self) -> None:
        _, first = self.talk()
        self.authority.issue("own", "server")
        self.tls.read()
        self.transport = CuttableTransport()
        _, second = self.talk()
        self.assertNotEqual(first.tls.getpeercert(binary_form=True), second.tls.getpeercert(binary_form=True))
