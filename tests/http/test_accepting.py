"""Connections for which there is no descriptor wait; one line a minute tells of it."""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.http.accepting import SAY_EVERY_S, Accepting
from tests.fakes import CaughtLog


class Port:
    """What takes connections."""

    def __init__(self) -> None:
        self.is_reading = True
        self.numberAccepts = 100

    def stopReading(self) -> None:
        self.is_reading = False

    def startReading(self) -> None:
        self.is_reading = True


class AcceptingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.port = Port()
        self.log = CaughtLog(self)
        self.full = 0

    def count(self) -> None:
        self.full += 1

    def accepting(self, most: int | None) -> Accepting:
        made = Accepting(self.clock, most, self.count)
        made.listens(self.port)
        return made

    def test_it_takes_no_more_than_there_is_room_for(self) -> None:
        accepting = self.accepting(2)
        self.assertEqual(self.port.numberAccepts, 1, "else a whole crowd comes in one turn")
        accepting.has_come(1)
        self.assertTrue(self.port.is_reading)
        accepting.has_come(2)
        self.assertFalse(self.port.is_reading)
        accepting.has_left(2)  # one that was turned away
        self.assertFalse(self.port.is_reading)
        accepting.has_left(1)
        self.assertTrue(self.port.is_reading)

    def test_it_takes_one_at_a_time_for_good(self) -> None:
        """Twisted takes 20 more the next time where it has taken as many as it wanted."""
        accepting = self.accepting(100)
        for connections in range(1, 50):
            wanted = self.port.numberAccepts
            accepting.has_come(connections)
            self.port.numberAccepts = self.port.numberAccepts + 20 if self.port.numberAccepts == 1 else max(1, wanted)
            self.assertEqual(self.port.numberAccepts, 1)

    def test_it_says_so_once_a_minute(self) -> None:
        accepting = self.accepting(1)
        for _ in range(50):
            accepting.has_come(1)
            accepting.has_left(0)
        self.assertEqual((len(self.log.warnings), self.full), (1, 50))
        self.assertIn("1 connections are open, and there are descriptors for no more", self.log.warnings[0])
        self.clock.advance(SAY_EVERY_S)
        accepting.has_come(1)
        self.assertEqual(len(self.log.warnings), 2)

    def test_where_there_are_enough_nothing_changes(self) -> None:
        accepting = self.accepting(None)
        accepting.has_come(10**6)
        self.assertEqual((self.port.is_reading, self.port.numberAccepts), (True, 100))

    def test_a_port_that_is_closed_is_left_alone(self) -> None:
        accepting = self.accepting(1)
        accepting.has_come(1)
        accepting.listens(None)
        accepting.has_left(0)
        self.assertFalse(self.port.is_reading)
        nowhere: Any = Accepting(self.clock, 1, self.count)
        nowhere.has_come(5)
