"""Explore, and say what was seen: states, transitions, seconds, memory, and the story of a violation."""

import argparse
import multiprocessing
import sys

from tests.exploration.breaks import BREAKS
from tests.exploration.instances import FULL, SMALL, instance
from tests.exploration.search import Report, search
from tests.exploration.story import tell
from tests.exploration.world import Instance, World

PROCESSES = 2


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.exploration", description=__doc__)
    parser.add_argument("--instance", default="small", help="full, small (the default), or one as in w1r|w2r")
    parser.add_argument("--break", dest="broken", choices=[*BREAKS, "all"], help="a condition to break")
    parser.add_argument("--time-outs", type=int, default=0, help="so many requests given up on or deadlines passed")
    parser.add_argument("--failed-syncs", type=int, default=0, help="so many syncs that fail in a vault")
    parser.add_argument("--recover", action="store_true", help="controls ask for the floor when they start")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for each instance (600)")
    parser.add_argument("--story", action="store_true", help="print how the violation comes about")
    options = parser.parse_args(arguments)
    explored: list[tuple[str, Instance | None]] = []
    if options.broken:
        explored = [(name, None) for name in (BREAKS if options.broken == "all" else [options.broken])]
    else:
        sets: dict[str, tuple[str, ...]] = {"full": FULL, "small": SMALL}
        given = options.time_outs, options.failed_syncs, options.recover
        explored = [(name, instance(name, *given)) for name in sets.get(options.instance, (options.instance,))]
    as_expected = True
    # A process for each: its memory is its own, and two cores are used.
    with multiprocessing.Pool(PROCESSES, maxtasksperchild=1) as pool:
        runs = [pool.apply_async(run, (name, each, options.limit)) for name, each in explored]
        for pending in runs:
            lines, story, expected = pending.get()
            print("\n".join([*lines, *story] if options.story else lines), flush=True)
            as_expected = as_expected and expected
    return 0 if as_expected else 1


def run(name: str, explored: Instance | None, limit_s: float) -> tuple[list[str], list[str], bool]:
    """Explore an instance, or a break and its intact instance: lines to say, a story, and was it as it should be?"""
    if explored is not None:
        said, story, clean = _explore(name, explored, limit_s)
        return [said], story, clean
    broken = BREAKS[name]
    intact_said, intact_story, clean = _explore(f"{name}: intact", broken.intact, limit_s)
    with broken.patch():
        said, story, _ = _explore(f"{name}: broken", broken.instance, limit_s)
    return [intact_said, said], intact_story + story, clean and bool(story)


def _explore(name: str, explored: Instance, limit_s: float) -> tuple[str, list[str], bool]:
    world = World(explored)
    report = search(world, limit_s)
    story = tell(world, report) if report.violation else []
    return _said(name, report), story, report.complete and not report.violation


def _said(name: str, report: Report) -> str:
    if report.violation:
        verdict = f"VIOLATED after {report.steps} steps"
    else:
        verdict = "no violation" if report.complete else f"not finished: no violation within {report.steps} steps"
    return (
        f"{name}: {verdict}; {report.states} states, {report.transitions} transitions, "
        f"{report.coordinators} states of a coordinator, {report.seconds:.1f} s, {report.peak_mib} MiB"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
