"""How fast the simulated world is: runs a minute of processor time, where that time goes, what memory they leave.

The seeds are a campaign's own, faults and all. Processor time of this process is what counts: it runs alone, one run
after another, and what else the machine does matters less. Time is sampled (see sampler.py); what the standard
library does counts for whoever called it.
"""

import gc
import resource
import signal
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from attrs import frozen

from benchmarks.sampler import EVERY_CPU_S, Stack, stack_of
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.campaign.workers import prepare
from glitchgrid.lab.register.layout import GridLayout

CHECKOUT = Path(__file__).parents[1]
LONG_STEPS = 100
SHORT_STEPS = 20
SHORT_PER_MINUTE_MIN, LONG_PER_MINUTE_MIN = 400, 100
SIMULATOR_SHARE_MAX = 0.15
WARM_UP_SEEDS = 5
LOOKS = 10
"""So often memory is looked at."""

PAGES_PER_MIB = 2**20 // resource.getpagesize()
SECONDS_PER_MINUTE = 60
NS_PER_S = 10**9

WORLD = "the simulated world"
ROOMS = (
    (WORLD, "glitchgrid/simulation/"),
    ("clients, faults, oracles", "glitchgrid/lab/"),
    ("the grid", "glitchgrid/"),
    ("the benchmark", "benchmarks/"),
)
"""Parts of this checkout, the first that fits."""

PACKAGES = ("twisted", "klein", "werkzeug", "treq", "hyperlink", "attr", "zope", "greenlet")

_SITE = Path(sysconfig.get_path("purelib"))
_BINARY_SITE = Path(sysconfig.get_path("platlib"))


@frozen
class Speed:
    """Some runs with so many writes each, and their sums."""

    steps: int
    seeds: int
    cpu_s: float
    operations: int
    events: int
    virtual_s: float

    @property
    def per_minute(self) -> float:
        return self.seeds / self.cpu_s * SECONDS_PER_MINUTE


@frozen
class Found:
    speeds: Sequence[Speed]
    shares: Sequence[tuple[str, float]]
    resident_mib: Sequence[tuple[int, float]]

    @property
    def world_share(self) -> float:
        return dict(self.shares).get(WORLD, 0.0)

    def as_markdown(self, command: str, when: str, processor: str, interpreter: str) -> str:
        """A page for the documentation."""
        share = f"The simulated world itself should take {SIMULATOR_SHARE_MAX:.0%} at the most: "
        lines = [
            "# How fast the simulated world is",
            "",
            f"Written by `{command}` on {when}.",
            "",
            f"{processor}; Python {interpreter}.",
            "",
            "One control, three vaults, the seeds of a campaign from 0 on. Time is the processor's.",
            "",
            "| writes a run | runs | runs a minute | at least | | operations a run | events a second | time / ours |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for speed, least in zip(self.speeds, (SHORT_PER_MINUTE_MIN, LONG_PER_MINUTE_MIN), strict=True):
            lines.append(
                f"| {speed.steps} | {speed.seeds} "
                f"| **{speed.per_minute:.0f}** | {least} | {_verdict(speed.per_minute >= least)} "
                f"| {speed.operations / speed.seeds:.0f} | {speed.events / speed.cpu_s:,.0f} "
                f"| {speed.virtual_s / speed.cpu_s:.0f} |"
            )
        lines += ["", "| where the time goes | share |", "|---|---|"]
        lines += [f"| {room} | {share:.1%} |" for room, share in self.shares]
        lines += [
            "",
            f"{share}{_verdict(self.world_share <= SIMULATOR_SHARE_MAX)}.",
            "",
            "| after runs | resident memory, MiB |",
            "|---|---|",
        ]
        lines += [f"| {runs} | {mib:.1f} |" for runs, mib in self.resident_mib]
        return "\n".join(lines) + "\n"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "missed"


def measure_simulation(seeds: int, progress: Callable[[int, int], None]) -> Found:
    """Run `seeds` short runs and a tenth as many long ones, and some of both again under the sampler."""
    long_seeds = seeds // 10
    total = seeds + 2 * long_seeds
    prepare()
    for seed in range(WARM_UP_SEEDS):
        run_seed(str(seed), GridLayout(steps=SHORT_STEPS))
    resident: list[tuple[int, float]] = []

    def after_short(done: int) -> None:
        progress(done, total)
        if done % max(1, seeds // LOOKS) == 0:
            resident.append((done, _resident_mib()))

    short = _speed(SHORT_STEPS, seeds, after_short)
    long = _speed(LONG_STEPS, long_seeds, lambda done: progress(seeds + done, total))
    with _sampled() as seen:
        _speed(SHORT_STEPS, long_seeds, lambda done: progress(seeds + long_seeds + done, total))
    return Found((short, long), _shares(seen), resident)


def _speed(steps: int, seeds: int, after_each: Callable[[int], None]) -> Speed:
    operations = events = duration_ns = 0
    cpu_s = 0.0
    for seed in range(seeds):
        began_s = time.process_time()
        result = run_seed(str(seed), GridLayout(steps=steps))
        gc.collect()
        cpu_s += time.process_time() - began_s
        operations += result.operations
        events += result.events
        duration_ns += result.duration_ns
        after_each(seed + 1)
    return Speed(steps, seeds, cpu_s, operations, events, duration_ns / NS_PER_S)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages / PAGES_PER_MIB


@contextmanager
def _sampled() -> "Iterator[Counter[Stack]]":
    seen: Counter[Stack] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        seen[stack_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY_CPU_S, EVERY_CPU_S)
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _shares(seen: "Counter[Stack]") -> list[tuple[str, float]]:
    rooms: Counter[str] = Counter()
    for stack, count in seen.items():
        rooms[_room(stack)] += count
    return [(room, count / rooms.total()) for room, count in rooms.most_common()]


def _room(stack: Stack) -> str:
    """Whose doing it is: the innermost function that is not the standard library's."""
    for file, _, _ in stack:
        path = Path(file)
        for site in (_SITE, _BINARY_SITE):
            if path.is_relative_to(site):
                package = path.relative_to(site).parts[0].removesuffix(".py")
                return package if package in PACKAGES else "other packages"
        if path.is_relative_to(CHECKOUT):
            relative = path.relative_to(CHECKOUT).as_posix()
            return next((room for room, prefix in ROOMS if relative.startswith(prefix)), "other")
    return "the standard library"
