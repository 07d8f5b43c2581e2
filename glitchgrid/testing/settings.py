"""How a simulated test is run: what its decorator says, and what the command line says in its place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glitchgrid.testing.errors import WorldError

OWN, SHARED = "own", "shared"
SEEDS = 50
SEEDS_MAX = 1_000_000
JOBS_MAX = 256
PER_MILLE_MAX = 1000
TIMEOUT_S = 60
"""A run that takes longer in real time hangs: a service is in a loop that asks nothing of its system."""

REACTORS = {
    "epoll": "twisted.internet.epollreactor.EPollReactor",
    "poll": "twisted.internet.pollreactor.PollReactor",
    "select": "twisted.internet.selectreactor.SelectReactor",
    "asyncio": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
}


@dataclass(frozen=True)
class Settings:
    """What `simulated` was given.

    :ivar seeds: how many there are, from 0 on.
    :ivar modules: whether each program imports modules of its own (`OWN`), or all share the test's (`SHARED`).
    :ivar fork: whether each seed runs in a fork of its own.
    :ivar share: packages that are shared although programs have modules of their own.
    :ivar reactor: the kind of the reactor that functions are given, and programs that share modules.
    :ivar timeout_s: of real time, for each seed.
    :ivar preempt: packages and modules whose code gives way to other threads, and how often, in per mille.
    """

    seeds: int = SEEDS
    modules: str = OWN
    fork: bool = True
    share: tuple[str, ...] = ()
    reactor: str = "epoll"
    timeout_s: float = TIMEOUT_S
    preempt: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        """:raises WorldError: for what can't be."""
        if not 1 <= self.seeds <= SEEDS_MAX:
            raise WorldError(f"seeds={self.seeds}: from 1 to {SEEDS_MAX}")
        if self.modules not in {OWN, SHARED}:
            raise WorldError(f"modules={self.modules!r}: {OWN!r} or {SHARED!r}")
        if self.modules == OWN and not self.fork:
            raise WorldError("fork=False is for modules='shared': what a program imports for itself is never let go")
        if self.reactor not in REACTORS:
            raise WorldError(f"reactor={self.reactor!r}: one of {', '.join(REACTORS)}")
        if self.timeout_s <= 0:
            raise WorldError(f"timeout_s={self.timeout_s}: more than 0")
        for name, weight in self.preempt:
            if type(weight) is not int or not 0 <= weight <= PER_MILLE_MAX:
                raise WorldError(f"preempt={{{name!r}: {weight!r}}}: from 0 to {PER_MILLE_MAX}")


@dataclass(frozen=True)
class Options:
    """What the command line says: pytest's ``--sim-…``, or the environment's ``GLITCHGRID_SIM_…`` for trial.

    :ivar seed: this one only.
    :ivar seeds: how many, in place of the decorator's.
    :ivar plan: the file of a plan, which is run in place of what a seed draws.
    :ivar shrink: whether what a failing seed has drawn is made smaller.
    :ivar shrink_plan: whether a plan that was given is, too.
    :ivar html: where the picture of the failing run goes.
    :ivar jobs: how many seeds are run at one time.
    :ivar check: whether each seed is run twice, the second time in another process.
    """

    seed: str | None = None
    seeds: int | None = None
    plan: str | None = None
    shrink: bool = True
    shrink_plan: bool = False
    html: str | None = None
    jobs: int = 1
    check: bool = False
    replay: str = field(default="", compare=False)
    """How the test is run again, but for its seed: `pytest FILE::NAME`."""

    def __post_init__(self) -> None:
        """:raises WorldError: for what can't be."""
        if self.seeds is not None and not 1 <= self.seeds <= SEEDS_MAX:
            raise WorldError(f"--sim-seeds {self.seeds}: from 1 to {SEEDS_MAX}")
        if not 1 <= self.jobs <= JOBS_MAX:
            raise WorldError(f"--sim-jobs {self.jobs}: from 1 to {JOBS_MAX}")
        if self.seed is not None and self.plan is not None:
            raise WorldError("--sim-seed and --sim-plan exclude each other: a plan has its seed")


def from_environment(environment: Mapping[str, str] = os.environ) -> Options:
    """Options of whoever has no command line of ours.

    :raises WorldError: for what can't be.
    """
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = sorted(given.keys() - {"seed", "seeds", "plan", "shrink", "html", "jobs", "check"})
    if unknown:
        raise WorldError(f"there is no {PREFIX}{unknown[0].upper()}")
    try:
        return Options(
            seed=given.get("seed"),
            seeds=int(given["seeds"]) if "seeds" in given else None,
            plan=given.get("plan"),
            shrink=given.get("shrink", "1") != "0",
            shrink_plan=given.get("shrink", "0") != "0",
            html=given.get("html"),
            jobs=int(given.get("jobs", "1")),
            check=given.get("check", "0") != "0",
        )
    except ValueError as error:
        raise WorldError(f"{PREFIX}SEEDS and {PREFIX}JOBS are whole numbers: {error}") from error


PREFIX = "GLITCHGRID_SIM_"

_current: Options | None = None


def current() -> Options:
    """The options that hold now."""
    return from_environment() if _current is None else _current


def use(options: Options | None) -> Options | None:
    """Let these hold from now on; None for the environment's. Returns those that held before."""
    global _current
    before, _current = _current, options
    return before


def with_replay(options: Options, replay: str) -> Options:
    return replace(options, replay=replay)
