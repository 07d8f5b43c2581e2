"""Where names lead, how long one waits to learn it, and who does the waiting."""

import socket
import threading
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from glitchgrid.vaults.names import PATIENCE_S, Name, ThreadResolver, _Knowing
from tests.fakes import FakeReactor

HERE, THERE = IPv4Address("TCP", "10.0.0.1", 8001), IPv4Address("TCP", "10.0.0.2", 8001)


class SlowResolver:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.receivers: list[Any] = []
        self.asked = 0

    def resolveHostName(self, receiver: Any, host: str, port: int = 0, *_arguments: Any) -> Any:
        self.asked += 1
        receiver.resolutionBegan(self)
        self.receivers.append(receiver)
        return self

    def answer(self, *addresses: object) -> None:
        receiver = self.receivers.pop(0)
        for each in addresses:
            receiver.addressResolved(each)
        receiver.resolutionComplete()


class NameTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.resolver = self.reactor.nameResolver = SlowResolver()
        self.name = Name(self.reactor, "vault", 8001)

    def learn(self, *addresses: object) -> None:
        learnt = self.name.addresses()
        self.resolver.answer(*addresses)
        self.successResultOf(learnt)

    def assert_no_timer(self) -> None:
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_there_is_one_lookup_at_a_time(self) -> None:
        asked = [self.name.addresses() for _ in range(100)]
        self.assertEqual(self.resolver.asked, 1)
        self.resolver.answer(HERE, THERE, HERE)
        self.assertEqual([self.successResultOf(each) for each in asked], [[HERE, THERE]] * 100)
        self.name.addresses()
        self.assertEqual(self.resolver.asked, 2)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_what_is_learnt_in_time_counts(self) -> None:
        self.learn(HERE)
        asked = self.name.addresses()
        self.reactor.advance(PATIENCE_S / 2)
        self.resolver.answer(THERE)
        self.assertEqual(self.successResultOf(asked), [THERE])
        self.assert_no_timer()

    def test_one_that_takes_long_leads_to_where_it_led(self) -> None:
        self.learn(HERE)
        for _ in range(3):
            asked = self.name.addresses()
            self.assertNoResult(asked)
            self.reactor.advance(PATIENCE_S)
            self.assertEqual(self.successResultOf(asked), [HERE])
        self.assertEqual(self.resolver.asked, 2)
        self.resolver.answer(THERE)
        asked = self.name.addresses()
        self.reactor.advance(PATIENCE_S)
        self.assertEqual(self.successResultOf(asked), [THERE])

    def test_one_that_is_not_found_any_more_leads_to_where_it_led(self) -> None:
        self.learn(HERE)
        asked = self.name.addresses()
        self.resolver.answer()
        self.assertEqual(self.successResultOf(asked), [HERE])

    def test_one_that_never_led_anywhere(self) -> None:
        asked = self.name.addresses()
        self.reactor.advance(100)
        self.assertNoResult(asked)
        self.resolver.answer()
        error = self.failureResultOf(asked, DNSLookupError).value
        self.assertIn("no address is known for vault", str(error))

    def test_who_leaves_disturbs_nobody(self) -> None:
        stays, leaves = self.name.addresses(), self.name.addresses()
        leaves.cancel()
        self.failureResultOf(leaves, CancelledError)
        self.resolver.answer(HERE)
        self.assertEqual(self.successResultOf(stays), [HERE])
        self.name.addresses().addErrback(lambda _: None).cancel()
        self.assert_no_timer()


class Receiver:
    def __init__(self) -> None:
        self.addresses: list[Any] = []
        self.began: list[Any] = []
        self.completed = 0

    def resolutionBegan(self, lookup: Any) -> None:
        self.began.append(lookup)

    def addressResolved(self, address: Any) -> None:
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        self.completed += 1


class ThreadResolverTests(SynchronousTestCase):
    def looked_up(self, answer: Any) -> tuple[Receiver, threading.Thread]:
        """What a receiver is told of a name for which the system has this answer; and who has asked the system."""
        threads: list[threading.Thread] = []
        asked = threading.Event()

        def getaddrinfo(host: str, port: int, **_options: Any) -> Any:
            threads.append(threading.current_thread())
            asked.set()
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch(socket, "getaddrinfo", getaddrinfo)
        reactor, receiver = FakeReactor(), Receiver()
        lookup = ThreadResolver(reactor).resolveHostName(receiver, "vault", 8001)  # type: ignore[arg-type]
        self.assertTrue(asked.wait(30), "the system is asked")
        threads[0].join(30)
        self.assertEqual((receiver.began, receiver.completed), ([lookup], 0))
        reactor.take_over()
        self.assertEqual((lookup.name, receiver.completed), ("vault", 1))
        lookup.cancel()
        return receiver, threads[0]

    def test_what_the_system_says_of_both_families(self) -> None:
        receiver, thread = self.looked_up(
            [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 8001, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 8001)),
                (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/nowhere"),
            ]
        )
        self.assertEqual(receiver.addresses, [IPv6Address("TCP", "2001:db8::1", 8001), HERE])
        self.assertTrue(thread.daemon)
        self.assertIsNot(thread, threading.current_thread())

    def test_a_name_that_is_none(self) -> None:
        for error in (socket.gaierror(socket.EAI_NONAME, "none"), OSError("no file"), UnicodeError("no label")):
            receiver, _thread = self.looked_up(error)
            self.assertEqual(receiver.addresses, [])

    def test_both_are_what_twisted_asks(self) -> None:
        known: Sequence[Any] = [HERE]
        for resolver in (ThreadResolver(FakeReactor()), _Knowing(FakeReactor(), known)):
            verifyObject(IHostnameResolver, resolver)
