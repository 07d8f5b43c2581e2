"""When memory is given back: once a crowd has left, and not for the coming and going of a few."""

import sys

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http import crowd
from glitchgrid.http.crowd import AFTER_S, CROWD, Crowds


class CrowdTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.crowds = Crowds(self.clock)
        self.collected = 0
        self.patch(crowd, "give_back", self.collect)

    def collect(self) -> None:
        self.collected += 1

    def come_and_go(self, most: int, least: int) -> None:
        for connections in range(most + 1):
            self.crowds.has_come(connections)
        for connections in range(most, least - 1, -1):
            self.crowds.has_left(connections)
        self.clock.advance(AFTER_S[0])

    def test_a_crowd_that_has_left(self) -> None:
        self.come_and_go(CROWD, 0)
        self.assertEqual(self.collected, 1, "and not with each that leaves")
        self.clock.advance(AFTER_S[1])
        self.assertEqual(self.collected, 2, "what had a timer then")
        self.come_and_go(CROWD, CROWD // 10)
        self.assertEqual(self.collected, 3)

    def test_it_waits_for_the_last_ones(self) -> None:
        self.crowds.has_come(CROWD)
        self.crowds.has_left(5)
        self.clock.advance(AFTER_S[0] - 0.01)
        self.assertEqual(self.collected, 0)

    def test_a_few_and_a_crowd_that_stays(self) -> None:
        self.come_and_go(CROWD - 1, 0)
        self.come_and_go(CROWD, CROWD // 10 + 1)
        self.assertEqual(self.collected, 0)


class GiveBackTests(SynchronousTestCase):
    def test_the_cache_of_attributes_lets_go_of_its_names(self) -> None:
        class Looked:
            pass

        fresh = f"looked_up_{id(self)}"
        getattr(Looked(), fresh, None)
        held = sys.getrefcount(fresh)
        crowd.give_back()
        self.assertLess(sys.getrefcount(fresh), held)
