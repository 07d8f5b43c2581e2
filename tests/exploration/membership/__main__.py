"""Explore, and say what was seen: states, transitions, seconds, memory, and the story of a violation."""

import argparse
import sys
import time

from tests.exploration.membership import counting
from tests.exploration.membership.breaks import BREAKS
from tests.exploration.membership.instances import INSTANCES
from tests.exploration.membership.search import Report, ends, search
from tests.exploration.membership.story import tell
from tests.exploration.membership.world import Instance, World


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.exploration.membership", description=__doc__)
    parser.add_argument("--instance", choices=[*INSTANCES, "all"], help="what to explore of the intact decisions")
    parser.add_argument("--break", dest="broken", choices=[*BREAKS, "all"], help="a condition to break")
    parser.add_argument(
        "--counting", choices=[*counting.INSTANCES, *counting.BREAKS, "all"], help="what a real coordinator is fed with"
    )
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for each instance (600)")
    parser.add_argument("--story", action="store_true", help="print how a violation comes about")
    parser.add_argument("--ends", action="store_true", help="count where an instance comes to rest")
    options = parser.parse_args(arguments)
    as_expected = True
    for name in _chosen(options.counting, [*counting.INSTANCES, *counting.BREAKS]):
        as_expected = _counted(name, options) and as_expected
    others = options.broken or options.counting
    for name in _chosen(options.instance if others else options.instance or "all", list(INSTANCES)):
        report = _explore(name, INSTANCES[name], options)
        as_expected = as_expected and not report.path
    for name in _chosen(options.broken, list(BREAKS)):
        broken = BREAKS[name]
        intact = _explore(f"{name}: intact", broken.intact, options)
        with broken.patch():
            report = _explore(f"{name}: broken", broken.instance, options)
        as_expected = as_expected and intact.complete and bool(report.path)
    return 0 if as_expected else 1


def _counted(name: str, options: argparse.Namespace) -> bool:
    """Say what a coordinator has counted. Returns whether that is as it should be."""
    is_broken = name in counting.BREAKS
    began = time.monotonic()
    report = counting.search((counting.INSTANCES | counting.BREAKS)[name], options.limit)
    verdict = f"VIOLATED after {len(report.story)} steps" if report.wrong else "no violation"
    unfinished = "" if report.complete or report.wrong else ", not finished"
    seconds = time.monotonic() - began
    print(f"{name}: {verdict}{unfinished}; {report.states} states, {report.transitions} transitions, {seconds:.1f} s")
    if options.story and report.wrong:
        print("\n".join(f"    {line}" for line in counting.tell(report)))
    return bool(report.wrong) == is_broken


def _chosen(name: str | None, names: list[str]) -> list[str]:
    if name is None:
        return []
    return names if name == "all" else [name]


def _explore(name: str, instance: Instance, options: argparse.Namespace) -> Report:
    world = World(instance)
    report = search(world, options.limit)
    lines = [f"{name}: {_said(report)}"]
    if options.ends and report.complete:
        rest = ends(world, report)
        lines.append(f"    {rest.formed} states are well, {rest.at_rest} of them at rest; {len(rest.dead)} are dead")
    lines += [f"    a vault stops: {each}" for each in sorted(world.model.misfits)]
    if options.story and report.path:
        lines += tell(world, report)
    print("\n".join(lines), flush=True)
    return report


def _said(report: Report) -> str:
    if report.path:
        verdict = f"VIOLATED after {report.steps} steps"
    else:
        verdict = "no violation" if report.complete else f"not finished: no violation within {report.steps - 1} steps"
    return (
        f"{verdict}; {report.states} states, {report.transitions} transitions, {report.seconds:.1f} s,"
        f" {report.peak_mib} MiB"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
