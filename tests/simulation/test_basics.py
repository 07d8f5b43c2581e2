"""Draws, the trace, and the order of events."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.simulation import event_queue
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.event_queue import EventQueue, Stuck
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.simulation.trace import Trace


class DrawTests(SynchronousTestCase):
    def test_a_name_is_a_stream_on_every_machine(self) -> None:
        rng = RandomStream("1:link a b")
        self.assertEqual([rng.below(1000) for _ in range(4)], [943, 798, 249, 513])

    def test_streams_do_not_touch_each_other(self) -> None:
        world, other = RunContext("1"), RunContext("1")
        for _ in range(100):
            other.rng("b").below(10)
        self.assertEqual([world.rng("a").below(1000) for _ in range(9)], [other.rng("a").below(1000) for _ in range(9)])

    @given(some.integers(), some.integers(0, 10**9))
    def test_both_ends_are_included(self, least: int, width: int) -> None:
        drawn = RandomStream("1").between(least, least + width)
        self.assertTrue(least <= drawn <= least + width)

    def test_chances(self) -> None:
        rng = RandomStream("1")
        self.assertEqual({rng.chance(0) for _ in range(100)}, {False})
        self.assertEqual({rng.chance(1000) for _ in range(100)}, {True})
        self.assertTrue(200 < sum(rng.chance(250) for _ in range(1000)) < 300)

    def test_rarely_long(self) -> None:
        rng = RandomStream("1")
        drawn = sorted(rng.rarely_long(1000) for _ in range(1000))
        self.assertGreaterEqual(drawn[0], 500)
        self.assertLess(drawn[500], 2001)
        self.assertTrue(20_000 < drawn[-1] <= 64_000)
        self.assertEqual(Counter(rng.pick("ab") for _ in range(1000)).keys(), {"a", "b"})


class TraceTests(SynchronousTestCase):
    def test_the_digest_is_of_every_line(self) -> None:
        one, other = Trace(keep=True), Trace(keep=False)
        for trace in (one, other):
            trace.add(1, "a", "b")
        self.assertEqual(one.digest, other.digest)
        one.add(2, "a", "c")
        other.add(2, "a", "d")
        self.assertNotEqual(one.digest, other.digest)
        self.assertEqual((one.lines, other.lines, other.count), (["1 a b\n", "2 a c\n"], [], 2))


class TimelineTests(SynchronousTestCase):
    def test_what_is_for_one_time_happens_in_order(self) -> None:
        line = EventQueue()
        said: list[object] = []
        for name in "abc":
            line.after(5, said.append, name)
        line.after(4, said.append, "first")
        self.assertFalse(line.run(10))
        self.assertEqual((said, line.now_ns), (["first", "a", "b", "c"], 10))

    def test_what_was_cancelled_does_not_happen(self) -> None:
        line = EventQueue()
        said: list[object] = []
        event = line.after(5, said.append, "a")
        line.after(1, event.cancel)
        line.run(10)
        self.assertEqual(said, [])

    def test_it_stops_when_it_is_done(self) -> None:
        line = EventQueue()
        said: list[object] = []
        for at_ns in (1, 2, 3):
            line.after(at_ns, said.append, at_ns)
        self.assertTrue(line.run(10, lambda: len(said) == 2))
        self.assertEqual((said, line.now_ns), ([1, 2], 2))

    def test_what_is_later_is_left(self) -> None:
        line = EventQueue()
        said: list[object] = []
        line.after(11, said.append, "later")
        line.run(10)
        self.assertEqual(said, [])
        line.run(1)
        self.assertEqual(said, ["later"])

    def test_round_in_circles(self) -> None:
        self.patch(event_queue, "EVENTS_MAX", 1000)
        line = EventQueue()

        def again() -> None:
            line.after(0, again)

        again()
        self.assertRaises(Stuck, line.run, 1)
