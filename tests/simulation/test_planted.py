"""Bugs that leave the register right and the grid useless, planted in the product: each is found within 30 seeds."""

from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.request import Request
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.place.changes import replaced
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.verdict import Finding, Verdict
from glitchgrid.protocol.effects import Ended

SEEDS = 30


def found() -> Finding:
    """What the first seed shows that shows anything."""
    for seed in map(str, range(SEEDS)):
        result = run_seed(seed, Wanted().layout(seed))
        if result.verdict is Verdict.VIOLATION:
            return result.findings[0]
    raise AssertionError(f"nothing was found in {SEEDS} seeds")


_got_length = Request.gotLength


def got_length(self: Any, length: int | None) -> None:
    self.channel.site.answer_headers = {}
    _got_length(self, length)


def stop_timer(self: Any) -> None:
    self._timer = None


def heard(self: Any, round_: Any, number: int, voter: str, held: int) -> None:
    healing = round_.healing
    if round_.outcome is not None or healing is None or held < healing.value:
        return
    if held > healing.value:
        if healing.expire() is not None:
            self._emit(Ended(healing))
        healing = round_.outgrow(held)
    if healing.acknowledge(number, voter, held) is not None:
        self._decided(healing)


def note_nothing(_client: Any, answer: Any) -> Any:
    return answer


async def stop_at_once(self: Any) -> None:
    if self._face is not None:
        self._face.abort_all()


def heed_signals_as_twisted_does(_process: Any) -> None:
    """A second SIGTERM is an error."""


def resolve_as_twisted_does(reactor: Any) -> Any:
    """In ten threads, which all names share, and for which the process waits at its end."""
    return reactor.nameResolver


class PlantedTests(SynchronousTestCase):
    def test_answers_carry_no_identity(self) -> None:
        with replaced("glitchgrid.http.request:Request", "gotLength", got_length):
            self.assertEqual(found().oracle, "wire")

    def test_bodies_of_any_length_are_taken(self) -> None:
        with replaced("glitchgrid.http.request", "BODY_BYTES_MAX", 10**9):
            self.assertIn(found().oracle, {"wire", "liveness"})  # and none of those that may be longer, as it happens

    def test_a_timer_is_not_cancelled(self) -> None:
        with replaced("glitchgrid.http.channel:Channel", "_stop_timer", stop_timer):
            self.assertIn(found().oracle, {"wire", "holdings"})

    @pytest.mark.thorough
    def test_a_read_that_outgrew_its_value_is_healed_no_more(self) -> None:
        with replaced("glitchgrid.protocol.healing:Healing", "hear", heard):
            self.assertIn(found().oracle, {"availability", "exercise"})

    @pytest.mark.thorough
    def test_a_vault_that_answers_again_is_not_said_to(self) -> None:
        with replaced("glitchgrid.vaults.client:VaultClient", "_note_success", note_nothing):
            self.assertIn(found().oracle, {"log", "exercise"})

    @pytest.mark.thorough
    def test_a_server_that_stops_leaves_its_clients(self) -> None:
        with replaced("glitchgrid.http.service:FaceService", "_stop", stop_at_once):
            self.assertIn(found().oracle, {"stop", "exercise"})


class BehindFakesTests(SynchronousTestCase):
    """Defects of the product's past: neither was found as long as fakes stood for signals and for the resolver."""

    @pytest.mark.thorough
    def test_a_second_sigterm(self) -> None:
        with replaced("glitchgrid.process:ServerProcess", "_heed_signals", heed_signals_as_twisted_does):
            self.assertEqual(found().oracle, "log")

    @pytest.mark.thorough
    def test_one_name_that_hangs_takes_the_others_with_it(self) -> None:
        with replaced("glitchgrid.process", "ThreadResolver", resolve_as_twisted_does):
            self.assertIn(found().oracle, {"exercise", "stop", "availability", "holdings"})
