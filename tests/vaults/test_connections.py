"""How control reaches its vaults: which endpoints, how many connections, for how long."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.face import IDLE_TIMEOUT_S
from glitchgrid.protocol.quorum import Vote
from glitchgrid.vaults.connections import CACHED_CONNECTION_S, IN_FLIGHT_MAX
from glitchgrid.vaults.names import ATTEMPT_DELAY_S
from tests.fakes import CaughtLog
from tests.vault_network import VaultNetwork

ODD = ("my_vault_1", "_vault", "ab--cd", "xn--a")
"""Names that resolvers take, and Twisted's own endpoint does not."""


class Resolver:
    """Answers each name with the same addresses, at once."""

    def __init__(self, *hosts: str) -> None:
        self.asked: list[str] = []
        self._hosts = hosts

    def resolveHostName(self, receiver: Any, host: str, portNumber: int = 0, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(host)
        receiver.resolutionBegan(None)
        for each in self._hosts:
            receiver.addressResolved(IPv4Address("TCP", each, portNumber))
        receiver.resolutionComplete()
        return self


class EndpointTests(SynchronousTestCase):
    def test_an_ip_literal_is_not_looked_up(self) -> None:
        for address, host in (
            ("127.0.0.1:8001", "127.0.0.1"),
            ("[::1]:8001", "::1"),
            ("[2001:db8::2]:8001", "2001:db8::2"),
        ):
            network = VaultNetwork(address)
            resolver = Resolver()
            network.reactor.installNameResolver(resolver)
            vote = network.client.read()
            self.assertEqual(network.dialled[0][:2], (host, 8001))
            self.assertEqual(resolver.asked, [])
            network.accept().answer(b"42")
            self.assertEqual(self.successResultOf(vote), Vote(address, None, 42))

    def test_a_name_is_looked_up(self) -> None:
        """Each name that is taken for an address leads somewhere."""
        for name in (
            "vault",
            "vault-1.example.com",
            "VAULT",
            "1a",
            "xn--bcher-kva.example",
            "vault.example.com.",
            *ODD,
        ):
            network = VaultNetwork(f"{name}:8001")
            resolver = Resolver("10.0.0.9")
            network.reactor.installNameResolver(resolver)
            vote = network.client.store(42)
            self.assertEqual(network.dialled[0][:2], ("10.0.0.9", 8001))
            self.assertEqual([host.lower() for host in resolver.asked], [name.lower()])
            network.accept().answer(b"42")
            self.assertEqual(self.successResultOf(vote), Vote(f"{name}:8001", None, 42))

    def test_a_name_without_an_address_is_a_failing_vault(self) -> None:
        log = CaughtLog(self)
        network = VaultNetwork("nowhere:8001")
        network.reactor.installNameResolver(Resolver())
        self.failureResultOf(network.client.read())
        self.assertEqual(len(log.warnings), 1)

    def test_a_refused_port_costs_next_to_nothing(self) -> None:
        network = VaultNetwork("vault:8001")
        network.reactor.installNameResolver(Resolver("10.0.0.9"))
        vote = network.client.read()
        network.refuse()
        network.reactor.pump([ATTEMPT_DELAY_S] * 2)
        self.failureResultOf(vote)
        self.assertLess(network.reactor.seconds(), 0.05)

    def test_the_second_address_of_a_name_is_tried_soon(self) -> None:
        network = VaultNetwork("vault:8001")
        network.reactor.installNameResolver(Resolver("10.0.0.8", "10.0.0.9"))
        vote = network.client.read()
        network.reactor.advance(ATTEMPT_DELAY_S)
        self.assertEqual([each[0] for each in network.dialled], ["10.0.0.8", "10.0.0.9"])
        network.accept(1).answer(b"42")
        self.assertEqual(self.successResultOf(vote).value, 42)

    def test_connections_are_not_logged(self) -> None:
        log = CaughtLog(self)
        network = VaultNetwork()
        network.client.read().addErrback(lambda _: None)
        network.dialled[0][2].doStart()
        network.accept().answer(b"42")
        self.assertEqual(log.infos, [])

    def test_the_deadline_reaches_the_connection(self) -> None:
        network = VaultNetwork(timeout_s=2.5)
        network.client.read().addErrback(lambda _: None)
        self.assertEqual(network.dialled[0][3], 2.5)


class PoolTests(SynchronousTestCase):
    def answered(self, network: VaultNetwork) -> Any:
        vote = network.client.read()
        end = network.accept()
        end.answer(b"42")
        self.successResultOf(vote)
        return end

    def test_an_unused_connection_is_kept_for_less_than_the_vault_keeps_it(self) -> None:
        self.assertLess(CACHED_CONNECTION_S, IDLE_TIMEOUT_S)
        network = VaultNetwork()
        end = self.answered(network)
        network.reactor.advance(CACHED_CONNECTION_S - 0.01)
        self.assertFalse(end.is_closed)
        network.reactor.advance(0.01)
        self.assertTrue(end.is_closed)

    def test_as_many_are_kept_as_may_be_in_use(self) -> None:
        network = VaultNetwork()
        votes = [network.client.read() for _ in range(IN_FLIGHT_MAX)]
        ends = [network.accept(number) for number in range(IN_FLIGHT_MAX)]
        for end in ends:
            end.answer(b"42")
        for vote in votes:
            self.successResultOf(vote)
        self.assertFalse(any(end.is_closed for end in ends))

    def test_a_kept_connection_that_the_vault_closed_is_not_used(self) -> None:
        network = VaultNetwork()
        self.answered(network).close()
        self.answered(network)
        self.assertEqual(len(network.dialled), 2)

    def test_closing_the_pool_closes_its_connections(self) -> None:
        network = VaultNetwork()
        end = self.answered(network)
        closed = network.http.close()
        self.assertTrue(end.is_closed)
        self.successResultOf(closed)
