"""One direction of a link, in simulated time."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.relay.way import DELAY_S_MAX, WAITING_BYTES_MAX, Stream, Way


class End:
    """Both ends of a connection: what came out, whether it was closed, whether more is wanted."""

    def __init__(self) -> None:
        self.data = b""
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "nothing comes behind the end"
        self.data += data

    def loseConnection(self) -> None:
        assert not self.is_closed, "once"
        self.is_closed = True

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False


class Deaf:
    """Is told, and does not want to know."""

    def goes_in(self, data: bytes) -> None: ...

    def comes_out(self, count: int) -> None: ...


DEAF = Deaf()


class WayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.way = Way(self.clock)
        self.end = End()
        self.stream = Stream(self.way, self.end, self.end, DEAF)

    def test_at_once(self) -> None:
        self.stream.put(b"ab")
        self.stream.put(b"c")
        self.assertEqual((self.end.data, self.way.waiting_bytes), (b"abc", 0))
        self.stream.end()
        self.assertTrue(self.end.is_closed)

    def test_slow(self) -> None:
        self.way.slow(0.5)
        self.stream.put(b"a")
        self.clock.advance(0.4)
        self.stream.put(b"b")
        self.stream.end()
        self.assertEqual((self.end.data, self.way.waiting_bytes), (b"", 2))
        self.clock.advance(0.1)
        self.assertEqual(self.end.data, b"a")
        self.clock.advance(0.4)
        self.assertEqual((self.end.data, self.end.is_closed), (b"ab", True))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_overtakes(self) -> None:
        self.way.slow(1)
        self.stream.put(b"a")
        self.way.slow(0)
        self.stream.put(b"b")
        self.stream.end()
        self.assertEqual((self.end.data, self.end.is_closed), (b"", False))
        self.clock.advance(1)
        self.assertEqual((self.end.data, self.end.is_closed), (b"ab", True))

    def test_a_delay_has_limits(self) -> None:
        for delay_s in (-0.1, DELAY_S_MAX + 1):
            self.assertRaises(ValueError, self.way.slow, delay_s)

    def test_stopped_for_two_reasons_it_goes_on_when_both_are_over(self) -> None:
        self.way.stop("cut")
        self.way.stop("held")
        self.stream.put(b"a")
        self.way.go_on("cut")
        self.assertEqual((self.end.data, self.way.is_open), (b"", False))
        self.way.go_on("held")
        self.assertEqual((self.end.data, self.way.is_open), (b"a", True))

    def test_an_end_waits_for_what_went_in_before_it(self) -> None:
        self.way.stop("cut")
        self.stream.put(b"a")
        self.stream.end()
        self.assertFalse(self.end.is_closed)
        self.way.go_on("cut")
        self.assertEqual((self.end.data, self.end.is_closed), (b"a", True))

    def test_a_connection_that_is_gone_leaves_nothing(self) -> None:
        self.way.slow(1)
        self.stream.put(b"a")
        self.stream.close()
        self.clock.advance(2)
        self.assertEqual((self.end.data, self.way.waiting_bytes, self.clock.getDelayedCalls()), (b"", 0, []))

    def test_what_waits_has_a_limit(self) -> None:
        self.way.stop("cut")
        self.stream.put(bytes(WAITING_BYTES_MAX))
        self.assertFalse(self.end.is_paused)
        self.stream.put(b"a")
        self.assertTrue(self.end.is_paused)
        self.way.go_on("cut")
        self.assertEqual((self.end.is_paused, len(self.end.data)), (False, WAITING_BYTES_MAX + 1))

    def test_a_reader_that_is_slow_is_waited_for(self) -> None:
        self.stream.pauseProducing()
        self.stream.put(bytes(WAITING_BYTES_MAX))
        self.stream.put(b"a")
        self.way.go_on("cut")
        self.assertEqual((self.end.data, self.end.is_paused), (b"", True))
        self.stream.end()
        self.assertFalse(self.end.is_closed)
        self.stream.resumeProducing()
        self.assertEqual(
            (len(self.end.data), self.end.is_paused, self.end.is_closed), (WAITING_BYTES_MAX + 1, False, True)
        )

    def test_an_end_is_told_when_its_reader_takes_more(self) -> None:
        self.stream.pauseProducing()
        self.stream.end()
        self.assertFalse(self.end.is_closed)
        self.stream.resumeProducing()
        self.assertTrue(self.end.is_closed)

    @given(
        st.lists(
            st.one_of(
                st.binary(min_size=1, max_size=3),
                st.sampled_from(["stop", "go on", "full", "takes more", "0", "0.5", "2"]),
                st.integers(0, 3),
            ),
            max_size=30,
        )
    )
    def test_whatever_happens_nothing_is_lost_and_all_keeps_its_order(self, steps: list[Any]) -> None:
        clock: Any = Clock()
        way, end = Way(clock), End()
        stream, said = Stream(way, end, end, DEAF), b""
        does: dict[str, Callable[[], None]] = {
            "stop": lambda: way.stop("cut"),
            "go on": lambda: way.go_on("cut"),
            "full": stream.pauseProducing,
            "takes more": stream.resumeProducing,
        }
        for step in steps:
            match step:
                case bytes():
                    stream.put(step)
                    said += step
                case str() if step in does:
                    does[step]()
                case str():
                    way.slow(float(step))
                case int():
                    clock.advance(step / 4)
            self.assertTrue(said.startswith(end.data))
        stream.end()
        way.go_on("cut")
        stream.resumeProducing()
        clock.advance(10)
        self.assertEqual((end.data, end.is_closed, clock.getDelayedCalls()), (said, True, []))
