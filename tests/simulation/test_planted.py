"""Bugs that leave the register right and the grid useless, planted in the product: each is found within 30 seeds."""

from typing import Any
from unittest.mock import patch

import pytest
from twisted.trial.unittest import SynchronousTestCase

import glitchgrid.http.request
from glitchgrid.http.channel import Channel
from glitchgrid.http.request import Request
from glitchgrid.http.service import FaceService
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.register.layout import Wanted
from glitchgrid.lab.verdict import Finding, Verdict
from glitchgrid.protocol.effects import Ended
from glitchgrid.protocol.healing import Healing
from glitchgrid.vaults.client import VaultClient

SEEDS = 30


def found() -> Finding:
    """What the first seed shows that shows anything."""
    for seed in map(str, range(SEEDS)):
        result = run_seed(seed, Wanted().layout(seed))
        if result.verdict is Verdict.VIOLATION:
            return result.findings[0]
    raise AssertionError(f"nothing was found in {SEEDS} seeds")


class PlantedTests(SynchronousTestCase):
    def test_answers_carry_no_identity(self) -> None:
        original = Request.gotLength

        def got_length(self: Any, length: int | None) -> None:
            self.channel.site.answer_headers = {}
            original(self, length)

        with patch.object(Request, "gotLength", got_length):
            self.assertEqual(found().oracle, "wire")

    def test_bodies_of_any_length_are_taken(self) -> None:
        with patch.object(glitchgrid.http.request, "BODY_BYTES_MAX", 10**9):
            self.assertEqual(found().oracle, "wire")

    def test_a_timer_is_not_cancelled(self) -> None:
        def stop_timer(self: Any) -> None:
            self._timer = None

        with patch.object(Channel, "_stop_timer", stop_timer):
            self.assertIn(found().oracle, {"wire", "holdings"})

    @pytest.mark.thorough
    def test_a_read_that_outgrew_its_value_is_healed_no_more(self) -> None:
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

        with patch.object(Healing, "hear", heard):
            self.assertIn(found().oracle, {"availability", "exercise"})

    @pytest.mark.thorough
    def test_a_vault_that_answers_again_is_not_said_to(self) -> None:
        with patch.object(VaultClient, "_note_success", lambda _self, answer: answer):
            self.assertIn(found().oracle, {"log", "exercise"})

    @pytest.mark.thorough
    def test_a_server_that_stops_leaves_its_clients(self) -> None:
        async def stop(self: Any) -> None:
            if self._face is not None:
                self._face.abort_all()

        with patch.object(FaceService, "_stop", stop):
            self.assertEqual(found().oracle, "stop")
