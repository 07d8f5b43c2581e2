"""What servers tell of themselves: each thing once, in the moment in which it happens, and to everybody who listens."""

from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import VaultTimeout
from glitchgrid.observer import UNOBSERVED, Observer, Observers
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, Refused, Stored, StoreRequest, Undecided
from glitchgrid.register.atomic import LAGGING_S, REST_FIRST_S, AtomicRegister
from glitchgrid.register.interface import OPERATION_TIMEOUT_S
from glitchgrid.storage.record import Record
from glitchgrid.storage.valuefile import VALUE_NAME
from glitchgrid.vault import vault_service
from glitchgrid.vaults.client import VaultClient
from glitchgrid.wire import GUARD_HEADER
from tests.fakes import IDENTITY, CaughtLog, ReactorWithThreads, threads
from tests.memory_disk import MemoryDisk
from tests.raw_client import RawClient, get, post
from tests.register.test_atomic import FakeVault
from tests.vault_network import ADDRESS, VaultNetwork

METHODS = [name for name in vars(Observer) if not name.startswith("_")]
GUARDED = GUARD_HEADER + b": increase"


class Heard(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def take(self, *without: str) -> list[tuple[Any, ...]]:
        told, self.told = self.told, []
        return [each for each in told if each[0] not in without]


def _keep(name: str) -> Any:
    return lambda self, *values, **named: self.told.append((name, *values, *named.values()))


for _name in METHODS:
    setattr(Heard, _name, _keep(_name))


class SeveralTests(SynchronousTestCase):
    def test_everybody_is_told_everything(self) -> None:
        first, second = Heard(), Heard()
        both = Observers(first, second)
        both.read_ended(Holds(3), 2, healed=True)
        both.vault_rests("a", "store", 0.5)
        self.assertEqual(first.told, [("read_ended", Holds(3), 2, True), ("vault_rests", "a", "store", 0.5)])
        self.assertEqual(second.told, first.told)

    def test_nothing_is_left_out(self) -> None:
        self.assertGreater(len(METHODS), 15)
        for name in METHODS:
            self.assertIn(name, vars(Observers))

    def test_by_default_nobody_is(self) -> None:
        UNOBSERVED.batch_settled(3, 1)
        self.assertIs(type(UNOBSERVED), Observer)


class VaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.disk, self.heard = MemoryDisk(), Heard()
        other_threads, self.pool = threads()
        self.reactor = ReactorWithThreads(other_threads)
        self.log = CaughtLog(self)

    def start(self, value: int = 0) -> None:
        if value:
            self.disk.put(VALUE_NAME, Record(IDENTITY, value).encode())
        self.service = vault_service(
            self.reactor,
            TCP4ServerEndpoint(self.reactor, 8001),
            "tcp:8001",
            self.disk,
            self.pool,
            lambda: IDENTITY,
            self.fail,
            observer=self.heard,
        )
        self.service.startService()
        self.pool.finish_all()
        self.face = self.reactor.tcpServers[0][1]

    def client(self) -> RawClient:
        return RawClient(self.face, self.reactor)

    def test_what_is_in_progress(self) -> None:
        self.start()
        for value in (b"1", b"2"):
            self.client().send(post(value, GUARDED))
        self.assertEqual(self.service.store.in_progress(), {"waiting stores": 1, "syncs": 1})
        self.pool.finish_all()
        self.assertEqual(self.service.store.in_progress(), {"waiting stores": 0, "syncs": 0})

    def test_its_value(self) -> None:
        self.start(7)
        self.assertEqual(self.heard.take(), [("value_recovered", 7, False)])

    def test_a_store(self) -> None:
        self.start()
        self.heard.take()
        client = self.client()
        client.send(post(b"5", GUARDED))
        request = StoreRequest(5, guarded=True)
        self.assertEqual(self.heard.take(), [("store_arrived", request), ("sync_began", 5, 1)])
        self.assertEqual(client.answers(), [])
        self.pool.finish_all()
        self.assertEqual(
            self.heard.take(), [("batch_settled", 5, 1), ("store_answered", request, Stored(5)), ("store_is_idle",)]
        )
        client.send(post(b"4", GUARDED))
        low = StoreRequest(4, guarded=True)
        self.assertEqual(
            self.heard.take(),
            [("store_arrived", low), ("batch_settled", 5, 1), ("store_is_idle",), ("store_answered", low, Refused(5))],
        )

    def test_stores_that_share_a_sync(self) -> None:
        self.start()
        for value in (b"1", b"2", b"3"):
            self.client().send(post(value, GUARDED))
        self.pool.finish_all()
        told = self.heard.take("store_arrived", "store_answered", "value_recovered")
        self.assertEqual(
            told,
            [
                ("sync_began", 1, 1),
                ("batch_settled", 1, 1),
                ("sync_began", 3, 2),
                ("batch_settled", 3, 2),
                ("store_is_idle",),
            ],
        )

    def test_a_sync_that_fails(self) -> None:
        self.start()
        self.disk.fail_at = set(range(len(self.disk.steps) + 1, 100))
        client = self.client()
        client.send(post(b"5"))
        self.heard.take()
        self.pool.finish_all()
        self.assertEqual(self.heard.take(), [("sync_failed", 1), ("store_is_idle",)])
        client.send(post(b"6"))
        self.assertEqual(self.heard.take("store_arrived"), [("store_turned_down",)])

    def test_a_client_that_sends_too_much(self) -> None:
        self.start()
        self.heard.take()
        self.client().send(post(b"5" * 65))
        self.client().send(get())
        self.assertEqual(self.heard.take(), [("client_refused", 413)])


class ControlTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.heard = Clock(), Heard()
        self.log = CaughtLog(self)
        self.vaults = [FakeVault(f"vault-{number}:8001") for number in range(3)]
        clients: Any = self.vaults
        self.register = AtomicRegister(clients, self.clock, self.heard)

    def start(self) -> None:
        self.register.start()
        self.answer(0, 1, 2)
        self.heard.take()

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            self.vaults[number].answer()

    def fails(self, *numbers: int) -> None:
        for number in numbers:
            self.vaults[number].fails(VaultTimeout("no whole answer within 1 s"))

    def test_the_floor_and_who_waits_for_it(self) -> None:
        self.register.start()
        self.register.write(7)
        self.assertEqual(self.heard.take(), [("write_waits",)])
        self.answer(0, 1)
        told = [("read_ended", Holds(0), 0, False), ("floor_recovered", 0)]
        self.assertEqual(self.heard.take(), told)

    def test_what_is_in_progress(self) -> None:
        self.register.write(7)
        self.assertEqual(
            {name for name, count in self.register.in_progress().items() if count},
            {
                "waiting operations",
                "deadlines",
                "rounds at vaults",
                "rounds that listen",
                "parked rounds",
            },
        )
        self.fails(1)
        self.assertEqual(self.register.in_progress()["vaults that rest"], 1)
        self.answer(0, 2)
        self.answer(0, 2)
        self.clock.advance(1)
        self.answer(0, 1, 2)
        self.assertEqual([name for name, count in self.register.in_progress().items() if count], [])

    def test_writes(self) -> None:
        self.start()
        for value in (5, 6, 7):  # the first goes at once, the others share a round
            self.register.write(value)
        self.answer(0, 1)
        self.assertEqual(self.heard.take(), [("write_ended", Committed(2, 3), 1)])
        self.answer(0, 1)
        self.assertEqual(self.heard.take(), [("write_ended", Committed(2, 3), 2)])
        self.register.write(6)
        self.assertEqual(self.heard.take(), [("write_declined", Decreases(7, 6))])

    def test_reads(self) -> None:
        self.start()
        self.register.read()
        self.answer(0, 1)
        self.assertEqual(self.heard.take(), [("read_ended", Holds(0), 1, False)])

    def test_a_read_that_heals_and_is_outgrown(self) -> None:
        self.start()
        self.vaults[0].holds = 5
        self.register.read()
        self.answer(0, 1)
        self.vaults[1].holds = 9
        self.answer(1)
        self.assertEqual(self.heard.take(), [("healing_ended", Undecided(1, 3), True)])
        self.answer(0, 2)
        told = self.heard.take()
        self.assertIn(("read_ended", Holds(9), 1, True), told)
        self.assertIn(("healing_ended", Committed(2, 3), False), told)

    def test_a_vault_that_fails(self) -> None:
        self.start()
        self.register.write(5)
        self.fails(2)
        self.assertEqual(self.heard.take(), [("vault_rests", "vault-2:8001", "store", REST_FIRST_S)])
        self.fails(1)
        told = self.heard.take()
        self.assertIn(("write_ended", Undecided(0, 3), 1), told)

    def test_no_majority_in_time(self) -> None:
        self.start()
        self.register.read()
        self.register.write(5)
        self.clock.advance(OPERATION_TIMEOUT_S)
        self.assertEqual(
            sorted(self.heard.take(), key=str),
            [("read_ended", Inconsistent(), 1, False), ("write_ended", Undecided(0, 3), 1)],
        )

    def test_a_vault_that_answers_late(self) -> None:
        self.start()
        self.register.write(5)
        self.answer(0, 1)
        self.heard.take()
        self.clock.advance(LAGGING_S)
        self.answer(2)
        self.assertEqual(self.heard.take(), [("vault_answered_late", "vault-2:8001", LAGGING_S)])

    def test_a_connection_that_broke(self) -> None:
        network = VaultNetwork(observer=self.heard)
        client: VaultClient = network.client
        client.read().addErrback(lambda _: None)
        network.accept().close(ConnectionLost())
        self.assertEqual(self.heard.take(), [("question_repeated", ADDRESS)])
