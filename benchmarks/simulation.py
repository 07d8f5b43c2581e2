"""How fast the simulated world is: runs a minute of processor time, where that time goes, what memory they leave.

The seeds are a campaign's own, faults and all, and they are run as a campaign runs them: in a process of their own,
which forks for some of them at a time (see glitchgrid.lab.campaign.serving). The forks' processor time is what counts:
one runs at a time, one run after another, and what else the machine does matters less. Time is sampled (see
sampler.py); what the standard library does counts for whoever called it.

    python -c "from benchmarks.simulation import main; main()" SEEDS

is that process. It prints an object of JSON a line: how many runs are done of how many, and at last what was found.
"""

import json
import resource
import signal
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from attrs import asdict, evolve, frozen

from glitchgrid.lab.place import here

Stack = tuple[tuple[str, str, int], ...]
"""As benchmarks.sampler has it, which imports twistd: and nothing is imported here before the seam."""

CHECKOUT = Path(__file__).parents[1]
LONG_STEPS = 100
SHORT_STEPS = 20
SHORT_PER_MINUTE_MIN, LONG_PER_MINUTE_MIN = 400, 100
SIMULATOR_SHARE_MAX = 0.15
RUNS_A_FORK = 100
"""As many as a campaign's process runs in each of its forks."""

FORK_S_MAX = 3600
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

    def plus(self, other: "Speed") -> "Speed":
        return Speed(
            self.steps,
            self.seeds + other.seeds,
            self.cpu_s + other.cpu_s,
            self.operations + other.operations,
            self.events + other.events,
            self.virtual_s + other.virtual_s,
        )

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
            "| runs of a fork | its resident memory, MiB |",
            "|---|---|",
        ]
        lines += [f"| {runs} | {mib:.1f} |" for runs, mib in self.resident_mib]
        return "\n".join(lines) + "\n"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "missed"


def measure_simulation(seeds: int, progress: Callable[[int, int], None]) -> Found:
    """Run `seeds` short runs and a tenth as many long ones, and some of the short ones again under the sampler.

    :raises RuntimeError: where the process that does it has failed.
    """
    import subprocess  # noqa: PLC0415 - not before the seam, which is put in where this module is imported, too

    from glitchgrid.lab.place.environment import environment, own_hash_seed  # noqa: PLC0415

    command = [sys.executable, "-c", "from benchmarks.simulation import main; main()", str(seeds)]
    found: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(own_hash_seed()), text=True) as process:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            found = json.loads(line)
            if "done" in found:
                progress(found["done"], found["of"])
    if process.returncode or "speeds" not in found:
        raise RuntimeError(f"the process that runs seeds has ended with status {process.returncode}")
    return Found(
        [Speed(**speed) for speed in found["speeds"]],
        [(room, share) for room, share in found["shares"]],
        [(runs, mib) for runs, mib in found["resident_mib"]],
    )


def main() -> None:
    """What the process does in which seeds are run."""
    from glitchgrid.simulation.kernel.place import without_chance  # noqa: PLC0415

    without_chance()
    here.begin()
    seeds = int(sys.argv[-1])
    long_seeds = seeds // 10
    parts = [(SHORT_STEPS, seeds, False), (LONG_STEPS, long_seeds, False), (SHORT_STEPS, long_seeds, True)]
    total = sum(count for _, count, _ in parts)
    speeds: list[Speed] = []
    rooms: Counter[str] = Counter()
    resident: list[tuple[int, float]] = []
    for steps, count, is_sampled in parts:
        speed = Speed(steps, 0, 0.0, 0, 0, 0.0)
        for first in range(0, count, RUNS_A_FORK):
            done = _in_a_fork(steps, range(first, min(count, first + RUNS_A_FORK)), is_sampled=is_sampled)
            speed = speed.plus(done.speed)
            rooms.update(done.rooms)
            resident = resident or list(done.resident_mib)
            print(json.dumps({"done": sum(each.seeds for each in (*speeds, speed)), "of": total}), flush=True)
        speeds.append(speed)
    shares = [(room, count / rooms.total()) for room, count in rooms.most_common()]
    found = Found(speeds[:2], shares, resident)
    print(json.dumps(asdict(found)), flush=True)


@frozen
class Done:
    """What one fork has seen."""

    speed: Speed
    rooms: "Counter[str]"
    resident_mib: Sequence[tuple[int, float]]


def _in_a_fork(steps: int, seeds: range, *, is_sampled: bool) -> Done:
    from glitchgrid.lab.place import rest  # noqa: PLC0415 - nothing before the seam
    from glitchgrid.lab.register import system  # noqa: F401, PLC0415
    from glitchgrid.testing.forks import forked  # noqa: PLC0415

    rest.begin()

    def work() -> Done:
        if not is_sampled:
            return _run(steps, seeds)
        with _sampled() as seen:
            done = _run(steps, seeds)
        return evolve(done, rooms=_rooms(seen))

    return forked(work, FORK_S_MAX)


def _run(steps: int, seeds: range) -> Done:
    from glitchgrid.lab.campaign.run import perform  # noqa: PLC0415
    from glitchgrid.lab.plan.swarm import draw_plan  # noqa: PLC0415
    from glitchgrid.lab.register.layout import GridLayout  # noqa: PLC0415
    from glitchgrid.lab.register.plans import PLANS  # noqa: PLC0415

    operations = events = duration_ns = 0
    resident: list[tuple[int, float]] = []
    for number, seed in enumerate(seeds, 1):
        result = perform(draw_plan(str(seed), GridLayout(steps=steps), PLANS), keep_trace=False)
        operations += result.operations
        events += result.events
        duration_ns += result.duration_ns
        if number % max(1, len(seeds) // LOOKS) == 0:
            resident.append((number, _resident_mib()))
    speed = Speed(steps, len(seeds), time.process_time(), operations, events, duration_ns / NS_PER_S)
    return Done(speed, Counter(), resident)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages / PAGES_PER_MIB


@contextmanager
def _sampled() -> "Iterator[Counter[Stack]]":
    from benchmarks.sampler import EVERY_CPU_S, stack_of  # noqa: PLC0415 - nothing before the seam

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


def _rooms(seen: "Counter[Stack]") -> "Counter[str]":
    rooms: Counter[str] = Counter()
    for stack, count in seen.items():
        rooms[_room(stack)] += count
    return rooms


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
