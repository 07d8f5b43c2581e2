"""``glitchgrid doctor``: what this machine lacks for each command, and Debian's names for it."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD, run_to_its_end
from glitchgrid.commands.printing import show
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.processes.localgrid import HOST, free_ports
from glitchgrid.lab.register.processes.workload import find_workload
from glitchgrid.machines import cgroups, clocks, means
from glitchgrid.simulation import native


@frozen
class Need:
    """:ivar whom: what needs it, as one would name it.
    :ivar is_there: looks for it.
    :ivar cure: how to get it; or what finds that out, where it depends.
    :ivar without: what is so where it is absent; empty where that command does not run at all.
    """

    whom: str
    what: str
    is_there: Callable[[], bool]
    cure: str | Callable[[], str]
    without: str = ""

    @property
    def said(self) -> str:
        """The cure, for what is absent."""
        return self.cure if isinstance(self.cure, str) else self.cure()


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _runs(work: Callable[[], object]) -> Callable[[], bool]:
    def look() -> bool:
        try:
            work()
        except (CannotRun, OSError):
            return False
        return True

    return look


def _debian(*packages: str) -> str:
    return f"apt-get install {' '.join(packages)}"


NEEDS: Sequence[Need] = (
    Need("up, demo, rehearse", "/proc", lambda: Path("/proc/self/stat").exists(), "mount -t proc proc /proc"),
    Need("up, demo, rehearse", "setsid", _program("setsid"), _debian("util-linux")),
    Need("up, demo, rehearse", "setpriv", _program("setpriv"), _debian("util-linux")),
    Need("demo, rehearse", f"free ports on {HOST}", _runs(lambda: free_ports(4)), "bring the loopback interface up"),
    Need("demo", "bash", _program("bash"), _debian("bash")),
    Need("demo", "curl", _program("curl"), _debian("curl")),
    Need("demo", "workload.sh", _runs(find_workload), "install glitchgrid anew: its files are incomplete"),
    Need(
        "rehearse --system",
        "namespaces",
        lambda: not means.missing_for_machines(),
        means.missing_for_machines,
        "programs have no machines of their own: 'rehearse' without --system runs the grid on this one",
    ),
    Need(
        "rehearse --system",
        "tap devices, /dev/net/tun",
        lambda: not means.missing_for_links(),
        means.missing_for_links,
        "links do not fail: the machines share one network",
    ),
    Need(
        "rehearse --system",
        "mfusepy, libfuse, /dev/fuse",
        lambda: not means.missing_for_disks(),
        means.missing_for_disks,
        "disks do not fail: machines write to plain directories, and are only killed",
    ),
    Need(
        "rehearse --system",
        "the part in C for clocks",
        lambda: not clocks.missing(),
        clocks.missing,
        "clocks do not jump nor drift",
    ),
    Need(
        "rehearse --system",
        "control groups",
        lambda: not cgroups.missing(cgroups.Limits(1, 1)),
        lambda: cgroups.missing(cgroups.Limits(1, 1)),
        "memory_mib and processors of a system file are no limits",
    ),
    Need(
        "rehearse --system",
        "time namespaces",
        means.has_time_namespaces,
        lambda: "a kernel since Linux 5.6 that was built with CONFIG_TIME_NS",
        "monotonic clocks do not begin anew when the power comes back",
    ),
    Need(
        "simulate, shrink",
        "the part in C",
        lambda: native.find() is not None,
        f"{_debian('gcc', 'libc6-dev')}, then install glitchgrid anew",
        "TLS is not the same to the byte from run to run; all else is",
    ),
    *(
        Need(f"examples/{example}", program, _program(program), _debian(package), "that example does not run")
        for example, program, package in (
            ("etcd", "etcd", "etcd-server"),
            ("redis", "redis-server", "redis-server"),
            ("postgresql", "psql", "postgresql"),
        )
    ),
    Need("the test suite", "wrk", _program("wrk"), _debian("wrk"), "the tests of the benchmarks are skipped"),
    Need("the test suite", "faketime", _program("faketime"), _debian("faketime"), "tests of set clocks are skipped"),
    Need(
        "the test suite",
        "chromium",
        _program("chromium"),
        _debian("chromium"),
        "tests of pages in a browser are skipped",
    ),
)


@frozen
class Found:
    need: Need
    is_there: bool

    @property
    def is_lacking(self) -> bool:
        """Does a command not run for want of it?"""
        return not self.is_there and not self.need.without


def doctor(*, as_json: bool) -> NoReturn:
    """Look for all of it. Exits with 0 where every command runs, with 2 where one does not."""
    run_to_its_end(lambda: _look(as_json=as_json))


def _look(*, as_json: bool) -> int:
    found = [Found(need, need.is_there()) for need in NEEDS]
    if as_json:
        print(json.dumps([_as_json(each) for each in found]))
    else:
        show(lines(found))
    return CANNOT_SAY if any(each.is_lacking for each in found) else GOOD


def lines(found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    """What was found, line by line, each with its style."""
    lacking = [each for each in found if each.is_lacking]
    if lacking:
        names = ", ".join(dict.fromkeys(name for each in lacking for name in each.need.whom.split(", ")))
        yield f"Not every command runs here: {names} would fail.", "bold red"
    else:
        yield "Every command runs here.", "bold green"
    yield "", ""
    width = max(len(each.need.whom) for each in found)
    what_width = max(len(each.need.what) for each in found)
    for each in found:
        need = each.need
        state = "here" if each.is_there else "absent"
        style = "green" if each.is_there else "red" if each.is_lacking else "yellow"
        yield f"  {need.whom:<{width}}  {need.what:<{what_width}}  {state}", style
        if not each.is_there:
            yield f"  {'':<{width}}    to have it: {need.said}", ""
            if need.without:
                yield f"  {'':<{width}}    without it: {need.without}", ""


def _as_json(found: Found) -> dict[str, object]:
    need = found.need
    cure = need.cure if isinstance(need.cure, str) else "" if found.is_there else need.said
    return {"for": need.whom, "what": need.what, "here": found.is_there, "cure": cure, "without": need.without}
