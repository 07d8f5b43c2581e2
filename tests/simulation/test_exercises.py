"""Exercises: the product passes all, each notices what it is there for, and neighbouring runs share them out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid import control
from glitchgrid.http import face, intake, service
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.patching import patched
from glitchgrid.lab.place.changes import changed
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.register.plans import KILL
from glitchgrid.lab.register.simulated.exercises import turns
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs
from glitchgrid.lab.register.simulated.exercises.turns import DONE, EACH, EXERCISES
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.verdict import Verdict
from glitchgrid.protocol import coordinator, healing, rounds
from glitchgrid.protocol.rounds import ReadRound
from glitchgrid.register import atomic
from glitchgrid.register.doubles import Doubles
from glitchgrid.storage import slots, valuefile
from glitchgrid.vaults import address, connections, exchange

RUNS = -(-len(EXERCISES) // EACH)
SHORT = GridLayout(steps=2)


def run(number: int) -> Result:
    """A short run without faults, and its exercises."""
    plan = draw_plan("7", SHORT, REGISTER.plans)
    return run_plan(evolve(plan, seed=str(number), faults=(), ends_with=KILL))


class CourseTests(SynchronousTestCase):
    def test_runs_that_follow_each_other_have_all_of_them_and_nothing_is_wrong(self) -> None:
        reached: set[str] = set()
        for number in range(RUNS):
            result = run(number)
            self.assertEqual(result.findings, ())
            self.assertNotEqual(result.verdict, Verdict.VIOLATION)
            reached |= result.reached.keys()
        self.assertEqual({name for name in reached if name.startswith(DONE)}, set(turns.LINES))

    def only(self, name: str) -> Result:
        with changed(f"{__name__}:with_this_alone", name):
            return run(0)

    def test_what_one_breaks_on_purpose_has_to_break(self) -> None:
        (finding,) = self.only("never").findings
        self.assertEqual(
            (finding.oracle, finding.message),
            ("exercise", "never: it was not stated that control: two addresses lead to one vault"),
        )

    def test_what_another_one_breaks_is_no_excuse(self) -> None:
        findings = self.only("doubled").findings
        self.assertIn("property", [finding.oracle for finding in findings])

    def test_the_first_that_finds_something_is_the_last(self) -> None:
        self.assertEqual([finding.message for finding in self.only("wrong").findings], ["wrong: one: 1, and not 2"])


def _wrong(_bench: Bench) -> Problems:
    yield from differs("one", 1, 2)
    yield from differs("another", 1, 2)


OWN = {
    "never": Exercise(
        "never", lambda _bench: differs("one", 1, 1), frozenset({"control: two addresses lead to one vault"})
    ),
    "doubled": evolve(
        next(each for each in EXERCISES if each.name == "two addresses of one vault"), states=frozenset()
    ),
    "wrong": Exercise("wrong", _wrong),
}


@contextmanager
def with_this_alone(name: str) -> Iterator[None]:
    """For whoever runs it: there is no other exercise."""
    with patched(turns, "EXERCISES", (OWN[name],)):
        yield


@contextmanager
def with_something_else(number: int) -> Iterator[None]:
    """For whoever runs it: one of the changes below, and the exercise alone that has to notice."""
    name, owner, attribute, instead = CHANGES[number]
    place = [exercise.name for exercise in EXERCISES].index(name)
    with patched(owner, attribute, instead), patched(turns, "EXERCISES", EXERCISES[place : place + 1]):
        yield


class NoticeTests(SynchronousTestCase):
    def assert_noticed(self, number: int, name: str) -> None:
        with changed(f"{__name__}:with_something_else", number):
            result = run(0)
        messages = [finding.message for finding in result.findings if finding.oracle == "exercise"]
        self.assertTrue(messages and messages[0].startswith(name), (name, messages))


def _add(number: int, name: str) -> None:
    def test(self: NoticeTests) -> None:
        self.assert_noticed(number, name)

    setattr(NoticeTests, f"test_{number}_{name.replace(' ', '_')}", test)


_acknowledge = rounds.StoreRound.acknowledge
_store_answered = coordinator.Coordinator.store_answered


def _all_are_exact(self: Any, vault: int, voter: str, held: int) -> Any:
    outcome = _acknowledge(self, vault, voter, held)
    self.exact = True
    return outcome


def _for_all_that_wait(self: Any, number: int, voter: str, answer: Any) -> None:
    for round_ in self._vaults[number].stores.pending:
        if round_.acknowledge(number, voter, round_.value) is not None:
            self._store_ended(round_)
    _store_answered(self, number, voter, answer)


CHANGES: tuple[tuple[str, Any, str, Any], ...] = (
    ("vaults that are behind", coordinator.Coordinator, "_reaches_floor", lambda _self, _value: True),
    ("strange answers", exchange, "read_body", lambda response, _most: connections.read_body(response, 10**6)),
    ("two addresses of one vault", Doubles, "report", lambda *_: None),
    ("vaults that have forgotten", ReadRound, "has_lost", False),
    ("connections that break", exchange, "connection_broke", lambda _failure: False),
    ("a vault that rests", atomic, "REST_MAX_S", 5.0),
    ("a vault that rests", atomic, "REST_FIRST_S", 0.2),
    ("a vault that lags", atomic, "LAGGING_S", 1.0),
    ("operations that nobody decides", atomic, "OPERATION_TIMEOUT_S", 5.0),
    ("files that a vault finds", slots, "SEQUENCE_MAX", 10**6),
    ("files that a vault finds", slots, "_check_neighbours", lambda *_: None),
    ("a disk that fails a start", valuefile, "_with_cure", lambda error: error.strerror),
    ("a start that hangs", service, "STOP_TIMEOUT_S", 2.0),
    ("an end with something in progress", service.FaceService, "stopService", Service.stopService),
    ("reports", service.FaceService, "_report", lambda _self: None),
    ("a control that tells that it serves", control, "READY_AGAIN_S", 100.0),
    ("lists of vaults", address, "VAULTS_MAX", 65),
    ("many too many connections", face, "TURNED_AWAY_MAX", 101),
    ("many requests at once", intake, "PIPELINED_MAX", 17),
    ("a read that a write overtakes", healing.Healing, "held", lambda _self, _value: []),
    ("a write that is overtaken", rounds.StoreRound, "acknowledge", _all_are_exact),
    ("a decrease before the floor is known", rounds.StoreRound, "expire", lambda _self: None),
    ("a read that is outgrown", healing.Healing, "hear", lambda *_: None),
    ("a vault that answers late", coordinator.Coordinator, "store_answered", _for_all_that_wait),
)

for _number, (_name, *_) in enumerate(CHANGES):
    _add(_number, _name)
