"""Who is well, and what follows from it for an operation."""

from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.register.oracles.availability import Attempt, Availability, Pace
from glitchgrid.lab.register.oracles.wellness import SETTLES_NS, STARTED_NS, Wellness
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.event_queue import EventQueue

PORT = 8000
VAULTS = ["vault1", "vault2", "vault3"]
WELL_NS = 20 * SECOND_NS


class Server:
    """A machine, as far as it is looked at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: Any = Process()
        self.disk_has_refused = False
        self.listener_: Any = Listener()

    def listener(self, port: int) -> Any:
        return self.listener_ if port == PORT else None


class Process:
    is_terminating = False


class Listener:
    listens_since_ns = 0


class WellnessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.time = EventQueue()
        self.servers = {name: Server(name) for name in (*VAULTS, "control1")}
        self.wellness = Wellness(self.time, dict.fromkeys(self.servers.values(), PORT))  # type: ignore[arg-type]

    def test_whoever_listens_is_well_a_little_later(self) -> None:
        self.assertEqual(self.wellness.since_ns("vault1"), STARTED_NS)
        self.servers["vault1"].listener_.listens_since_ns = 5 * SECOND_NS
        self.addCleanup(setattr, Listener, "listens_since_ns", 0)
        self.assertEqual(self.wellness.since_ns("vault1"), 5 * SECOND_NS + STARTED_NS)

    def test_a_fault_counts_until_its_end_and_some_time_after(self) -> None:
        link = "control1", "vault1"
        self.wellness.trouble(["vault1", link])
        self.wellness.trouble(["vault1"])
        self.assertEqual((self.wellness.since_ns("vault1"), self.wellness.since_ns(link)), (None, None))
        self.time.run(SECOND_NS)
        self.wellness.relieve(["vault1", link])
        self.assertIsNone(self.wellness.since_ns("vault1"), "there is another one")
        self.assertEqual(self.wellness.since_ns(link), SECOND_NS + SETTLES_NS)
        self.time.run(SECOND_NS)
        self.wellness.relieve_all()
        self.assertEqual(self.wellness.since_ns("vault1", link), 2 * SECOND_NS + SETTLES_NS)
        self.assertEqual(self.wellness.relieved_ns("vault1", link, "vault2"), 2 * SECOND_NS)

    def test_what_does_not_serve_is_not_well(self) -> None:
        vault = self.servers["vault2"]
        vault.disk_has_refused = True
        self.assertIsNone(self.wellness.since_ns("vault2"))
        vault.disk_has_refused = False
        self.assertIsNotNone(self.wellness.since_ns("vault2"))
        vault.process = Process()
        vault.process.is_terminating = True
        self.assertIsNone(self.wellness.since_ns("vault2"))
        vault.process = None
        self.assertIsNone(self.wellness.since_ns("vault2"))
        self.assertIsNone(self.wellness.since_ns("vault1", "vault2"), "one of them is not")


class AvailabilityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.time = EventQueue()
        self.servers = {name: Server(name) for name in (*VAULTS, "control1")}
        self.wellness = Wellness(self.time, dict.fromkeys(self.servers.values(), PORT))  # type: ignore[arg-type]
        self.found: list[str] = []
        self.availability = Availability(
            self.wellness, "clients", VAULTS, lambda _oracle, message: self.found.append(message), Counter()
        )
        self.availability.pace = Pace.of(50, 0, 1)

    def attempt(
        self, failure: str | None = "was answered 500 -1", took_s: float = 0.1, connected_ns: int | None = WELL_NS
    ) -> int:
        """How often it was found to be wrong."""
        before = len(self.found)
        attempt = Attempt("c1", "a read", "control1", WELL_NS, connected_ns, failure)
        self.availability.ended(attempt, WELL_NS + int(took_s * SECOND_NS))
        return len(self.found) - before

    def test_what_fails_without_an_excuse(self) -> None:
        self.assertEqual(self.attempt(), 1)
        self.assertIn("a read by c1 at control1 was answered 500 -1", self.found[0])

    def test_what_takes_too_long(self) -> None:
        self.assertEqual(self.attempt(None), 0)
        self.assertEqual(self.attempt(None, took_s=0.9), 1)
        self.assertIn("took 0.90 s", self.found[0])

    def test_a_minority_excuses_nothing(self) -> None:
        self.servers["vault1"].process = None
        self.wellness.trouble([("control1", "vault1")])
        self.assertEqual(self.attempt(), 1)

    def test_a_majority_does(self) -> None:
        self.servers["vault1"].process = None
        self.wellness.trouble([("control1", "vault2")])
        self.assertEqual(self.attempt(), 0)

    def test_so_do_vaults_that_have_no_vote_yet(self) -> None:
        since_ns: dict[str, int | None] = {"vault1": None, "vault2": WELL_NS - SECOND_NS // 2}
        self.availability.votes_since_ns = lambda vault: since_ns.get(vault, 0)
        self.assertEqual(self.attempt(), 0, "the second has had no time to be asked again")
        since_ns["vault2"] = None
        self.assertEqual(self.attempt(), 0)
        since_ns["vault2"] = SECOND_NS
        self.assertEqual(self.attempt(), 1)

    def test_so_does_the_way_to_the_control_and_a_control_that_is_not_well(self) -> None:
        for whom in ("control1", ("clients", "control1"), ("control1", "clients")):
            self.wellness.trouble([whom])
            self.assertEqual(self.attempt(), 0)
            self.wellness.relieve([whom])
        self.assertEqual(self.attempt(), 1, "it is long over")

    def test_a_connection_from_before_a_fault_may_have_broken_unseen(self) -> None:
        self.time.run(2 * SECOND_NS)
        self.wellness.trouble(["control1"])
        self.wellness.relieve(["control1"])
        self.assertEqual(self.attempt(connected_ns=SECOND_NS), 0)
        self.assertEqual(self.attempt(connected_ns=3 * SECOND_NS), 1)

    def test_nothing_is_judged_where_chance_alone_may_be_late(self) -> None:
        for latency_us, loss_per_mille, slowness in ((20_000, 0, 1), (50, 5, 1), (50, 0, 100)):
            self.availability.pace = Pace.of(latency_us, loss_per_mille, slowness)
            self.assertEqual(self.attempt(), 0)
        self.availability.pace = None
        self.assertEqual(self.attempt(), 0)
