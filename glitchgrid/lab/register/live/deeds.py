"""What was done to a grid on the page, as a plan: the simulator does the same things at the same times."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from glitchgrid.lab.faults.disks import SYNCS_MAX, DiskFull, SyncFails
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.links import LATENCY_US_MAX, Cut, Jam, Slow
from glitchgrid.lab.faults.processes import Kill, Pause
from glitchgrid.lab.plan.plan import HOUR_MS, Plan, Planned
from glitchgrid.lab.register.assumptions import LostDisk
from glitchgrid.lab.register.layout import CONTROLS_MAX, VAULTS_MAX, GridLayout
from glitchgrid.lab.register.live.stage import BOTH, CannotDo
from glitchgrid.lab.register.plans import plan_with

SEED = "live"
LEAD_MS = 500
"""Before the first fault the grid is well for so long, and after the last one's end."""

RESTART_MS = 500
"""So long a server is down that is started again at once, with its disk or with an empty one."""

Key = tuple[str, ...]
"""Whom a fault strikes, and before that how: no two that go on are alike in this."""

PROCESS, DISK = "process", "disk"


@frozen
class Deed:
    """:ivar asked: the verb's arguments, by their names."""

    verb: str
    asked: Mapping[str, Any]
    at_s: float


@frozen
class Told:
    """:ivar left_out: what no plan can say, in words."""

    plan: Plan
    left_out: Sequence[str]


@define
class _Faults:
    """Faults as they begin and end; those that go on are known by whom they strike, and how."""

    done: list[Planned] = field(factory=list)
    _open: dict[Key, tuple[int, Fault]] = field(factory=dict)

    def begins(self, key: Key, at_ms: int, fault: Fault) -> None:
        self.ends(key, at_ms)
        self._open[key] = (at_ms, fault)

    def ends(self, key: Key, at_ms: int) -> None:
        if key in self._open:
            since_ms, fault = self._open.pop(key)
            self.done.append(Planned(since_ms, min(HOUR_MS, at_ms - since_ms), fault))

    def all_end(self, at_ms: int, how: str = "") -> None:
        """Those of one kind of trouble; without one, all."""
        for key in [key for key in self._open if how in {"", key[0]}]:
            self.ends(key, at_ms)


def plan_of(
    deeds: Sequence[Deed], now_s: float, vaults: Sequence[str], controls: Sequence[str], protocol: str, glitch: str
) -> Told:
    """What was done until now.

    A disk that has become ill or well is so without the restart that it takes on the page.

    :param vaults: their names, in their order; so are `controls`.
    :param glitch: the bug that is on; empty for none. In simulation it is on from the beginning.
    :raises CannotDo: where nothing was done, or where the simulator has no grid as large, or no time as long.
    """
    if len(vaults) > VAULTS_MAX or len(controls) > CONTROLS_MAX:
        raise CannotDo(f"in simulation there are at most {VAULTS_MAX} vaults and {CONTROLS_MAX} controls")
    if not deeds:
        raise CannotDo("nothing was done yet: kill a server or cut a link, and then do that in simulation")
    layout = GridLayout(len(vaults), len(controls), protocol)
    names = dict(zip([*vaults, *controls], [*layout.vault_names, *layout.control_names], strict=True))
    begun_s = deeds[0].at_s
    duration_ms = round((now_s - begun_s) * 1000) + 2 * LEAD_MS
    if duration_ms > HOUR_MS:
        raise CannotDo("the first of it was done more than an hour ago: make all as it was, and do it once more")
    faults, left_out = _Faults(), list[str]()
    for deed in deeds:
        at_ms = LEAD_MS + round((deed.at_s - begun_s) * 1000)
        left_out += _note(faults, deed.verb, _in_plans(deed.asked, names), at_ms)
    faults.all_end(duration_ms - LEAD_MS)
    plan = plan_with(SEED, layout, faults.done, duration_ms, glitch)
    return Told(plan, list(dict.fromkeys(left_out)))


def _in_plans(asked: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """With the servers' names as plans have them."""
    servers = {"name", "source", "target"}
    return {key: names.get(value, value) if key in servers else value for key, value in asked.items()}


def _note(faults: _Faults, verb: str, asked: Mapping[str, Any], at_ms: int) -> Iterator[str]:
    """Put a deed into the faults. What can't be put there is returned in words."""
    name: str = asked.get("name", "")
    match verb:
        case "kill":
            faults.begins((PROCESS, name), at_ms, Kill(name))
        case "stop":
            faults.begins((PROCESS, name), at_ms, Pause(name))
        case "restart":
            faults.ends((PROCESS, name), at_ms)
            faults.done.append(Planned(at_ms, RESTART_MS, Kill(name)))
        case "start" | "go_on":
            faults.ends((PROCESS, name), at_ms)
        case "glitch":
            faults.all_end(at_ms, PROCESS)
        case "empty" | "disk":
            faults.ends((PROCESS, name), at_ms)
            faults.ends((DISK, name), at_ms)
            yield from _disk(faults, name, asked.get("ill", "empty"), at_ms)
        case _ if "source" in asked:
            _link(faults, verb, asked, at_ms)


def _disk(faults: _Faults, name: str, ill: str, at_ms: int) -> Iterator[str]:
    match ill:
        case "empty":
            faults.done.append(Planned(at_ms, RESTART_MS, LostDisk(name)))
        case "full":
            faults.begins((DISK, name), at_ms, DiskFull(name))
        case "failing":
            faults.begins((DISK, name), at_ms, SyncFails(name, SYNCS_MAX))
        case "slow":
            yield "a slow disk of one vault alone"


def _link(faults: _Faults, verb: str, asked: Mapping[str, Any], at_ms: int) -> None:
    source, target = asked["source"], asked["target"]
    both = ((source, target), (target, source))
    for way in both if asked.get("way", BOTH) == BOTH else both[:1]:
        match verb:
            case "cut":
                faults.begins(("cut", *way), at_ms, Cut(*way))
            case "hold":
                faults.begins(("hold", *way), at_ms, Jam(*way))
            case "release":
                faults.ends(("hold", *way), at_ms)
            case "slow" if asked["delay_s"] > 0:
                latency_us = max(1, min(LATENCY_US_MAX, round(asked["delay_s"] * 1_000_000)))
                faults.begins(("slow", *way), at_ms, Slow(*way, latency_us, jitter_us=0, loss_per_mille=0))
            case "slow":
                faults.ends(("slow", *way), at_ms)
            case _:
                for how in ("cut", "hold", "slow"):
                    faults.ends((how, *way), at_ms)
