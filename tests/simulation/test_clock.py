"""Two clocks a machine: integers, drift, and a time of day that can be set."""

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.simulation.clock import BOOTED_NS, EPOCH_NS, READING_NS, READINGS_FREE, Clock

TIMES = some.integers(0, 10**15)
DRIFTS = some.integers(-500_000, 1_000_000)


class ClockTests(SynchronousTestCase):
    def test_without_drift_it_is_the_worlds_time(self) -> None:
        clock = Clock()
        self.assertEqual((clock.monotonic_ns(7), clock.wall_ns(7)), (BOOTED_NS + 7, EPOCH_NS + 7))

    @given(DRIFTS, some.lists(TIMES, min_size=2))
    def test_it_only_goes_on(self, drift_ppm: int, times: list[int]) -> None:
        clock = Clock(drift_ppm)
        said = [clock.monotonic_ns(now_ns) for now_ns in sorted(times)]
        self.assertEqual(said, sorted(said))

    @given(DRIFTS, some.integers(0, 10**12))
    def test_until_is_long_enough_and_hardly_longer(self, drift_ppm: int, delay_ns: int) -> None:
        clock = Clock(drift_ppm)
        begun_ns = clock.monotonic_ns(0)
        until_ns = clock.until(delay_ns)
        self.assertGreaterEqual(clock.monotonic_ns(until_ns) - begun_ns, delay_ns - 1)
        self.assertLess(clock.monotonic_ns(max(0, until_ns - 3)) - begun_ns, max(1, delay_ns))

    @given(TIMES, DRIFTS, DRIFTS)
    def test_a_change_of_drift_is_no_jump(self, now_ns: int, before_ppm: int, after_ppm: int) -> None:
        clock = Clock(before_ppm)
        said = clock.monotonic_ns(now_ns), clock.wall_ns(now_ns)
        clock.drift(now_ns, after_ppm)
        self.assertEqual((clock.monotonic_ns(now_ns), clock.wall_ns(now_ns)), said)

    def test_a_jump_moves_the_time_of_day_alone(self) -> None:
        clock = Clock()
        clock.jump(-5)
        self.assertEqual((clock.monotonic_ns(7), clock.wall_ns(7)), (BOOTED_NS + 7, EPOCH_NS + 2))


class ReadingTests(SynchronousTestCase):
    def test_it_stands_still_within_a_turn(self) -> None:
        clock = Clock(drift_ppm=100)
        said = clock.monotonic_ns(5)
        self.assertEqual({clock.monotonic_ns(5) for _ in range(READINGS_FREE)}, {said})
        self.assertEqual(clock.ahead_ns(5), 0)

    def test_whoever_reads_it_all_the_time_sees_it_go_on_and_has_been_busy(self) -> None:
        clock = Clock()
        for _ in range(READINGS_FREE + 1):
            said = clock.monotonic_ns(5)
        for number in range(1, 100):
            self.assertEqual(clock.monotonic_ns(5), said + number * READING_NS)
        self.assertEqual(clock.ahead_ns(5), 99 * READING_NS)

    def test_it_never_goes_back_and_the_world_catches_up(self) -> None:
        clock = Clock()
        said = max(clock.monotonic_ns(5) for _ in range(READINGS_FREE + 1000))
        self.assertEqual(clock.monotonic_ns(6), said)
        caught_up = 5 + clock.ahead_ns(5)
        self.assertEqual(clock.monotonic_ns(caught_up + 1), said + 1)
        self.assertEqual(clock.ahead_ns(caught_up), 0)
