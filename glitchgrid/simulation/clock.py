"""The two clocks of a machine: one that only goes on, and the time of day.

Both run a little fast or slow (drift). The time of day can be set, which moves nothing else.
"""

MILLION = 1_000_000
SECOND_NS = 1_000_000_000
BOOTED_NS = 1_000 * SECOND_NS
"""What the monotonic clock says at the beginning: it does not begin at 0 on a real machine either."""

EPOCH_NS = 1_800_000_000 * SECOND_NS
"""The time of day at the beginning: 2027-01-15 08:00 UTC."""


READINGS_FREE = 1_000
"""So often a program may read its clocks in one turn, and they stand still."""

READING_NS = 1_000
"""What each further reading takes: work that goes on until some time has passed must come to its end."""


class Clock:
    """:ivar usual_ppm: how much it gains, in millionths, where nothing is done to it; from -1,000 to 1,000 or so."""

    def __init__(self, drift_ppm: int = 0) -> None:
        self.usual_ppm = drift_ppm
        self._drift_ppm = drift_ppm
        self._since_ns = 0
        self._read_at_ns = 0
        self._readings = 0
        self._least_ns = 0
        self._monotonic_ns = BOOTED_NS
        self._set_by_ns = EPOCH_NS - BOOTED_NS

    def monotonic_ns(self, now_ns: int) -> int:
        """The monotonic clock at the world's time `now_ns`. A program that reads it in a loop sees it advance."""
        # What runs ask for most often by far: hence no call of `_says_ns` nor of `max`.
        elapsed_ns = now_ns - self._since_ns
        says_ns = self._monotonic_ns + elapsed_ns + elapsed_ns * self._drift_ppm // MILLION
        if now_ns != self._read_at_ns:
            self._read_at_ns = now_ns
            self._readings = 0
        elif self._readings < READINGS_FREE:
            self._readings += 1
        else:
            self._least_ns = max(self._least_ns, says_ns) + READING_NS
        return says_ns if says_ns > self._least_ns else self._least_ns

    def ahead_ns(self, now_ns: int) -> int:
        """How far readings have advanced the clock within this turn: the program has been busy for so long."""
        return max(0, self._least_ns - self._says_ns(now_ns)) if self._least_ns else 0

    def _says_ns(self, now_ns: int) -> int:
        elapsed_ns = now_ns - self._since_ns
        return self._monotonic_ns + elapsed_ns + elapsed_ns * self._drift_ppm // MILLION

    def wall_ns(self, now_ns: int) -> int:
        """Nanoseconds since 1970."""
        return self.monotonic_ns(now_ns) + self._set_by_ns

    def shown_wall_ns(self, now_ns: int) -> int:
        """What `wall_ns` says, for whoever is not a program that reads it."""
        return max(self._says_ns(now_ns), self._least_ns) + self._set_by_ns

    def until(self, delay_ns: int) -> int:
        """How long the world takes until `delay_ns` have gone by here, rounded up."""
        return -(-delay_ns * MILLION // (MILLION + self._drift_ppm))

    def jump(self, by_ns: int) -> None:
        """Set the time of day forward, or back where `by_ns` is negative."""
        self._set_by_ns += by_ns

    def drift(self, now_ns: int, drift_ppm: int | None) -> None:
        """Gain so much from now on; None for what it usually gains."""
        self._monotonic_ns = self._says_ns(now_ns)
        self._since_ns = now_ns
        self._drift_ppm = self.usual_ppm if drift_ppm is None else drift_ppm
