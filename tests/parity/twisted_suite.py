"""Twisted's own tests of its reactors, on the real machine and in the world: what passes there has to pass here.

    python tests/parity/twisted_suite.py [--page FILE] [--reactors epoll,poll] [MODULE...]

`make twisted-parity` runs it, and writes the page that shows the figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:1] = [str(HERE.parents[1])]  # in the place of this directory

from glitchgrid.simulation import native  # noqa: E402
from glitchgrid.testing.settings import REACTORS  # noqa: E402
from tests.parity.comparison import MODULES, Comparison, Outcome, page  # noqa: E402

PLACES = ("real", "world")

FIRST = "test_process"
"""Which takes longest: it begins first."""

JOBS = 2
"""So many processes at one time: much of what runs on the real machine waits."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the page to this file")
    parser.add_argument("--reactors", default=",".join(REACTORS), help="these only, with commas between them")
    parser.add_argument("--jobs", type=int, default=max(JOBS, os.cpu_count() or 1), help="processes at one time")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="these of twisted.internet.test only")
    asked = parser.parse_args()
    comparison = Comparison(run(asked.reactors.split(","), asked.modules or MODULES, asked.jobs))
    if asked.page is not None:
        asked.page.write_text(page(comparison), encoding="utf-8")
    for line in comparison.told():
        print(line)
    complaints = list(comparison.complaints(is_whole=not asked.modules))
    for complaint in complaints:
        print(f"twisted-parity: {complaint}", file=sys.stderr)
    return int(bool(complaints))


def run(reactors: Sequence[str], modules: Sequence[str], jobs: int) -> Iterator[tuple[str, str, Outcome]]:
    """What became of each test: the reactor, the place, and the outcome."""
    first = [each for each in modules if each == FIRST]
    rest = [each for each in modules if each != FIRST]
    parts = [part for part in (first, rest) if part]
    tasks = [(reactor, place, part) for part in parts for reactor in reactors for place in PLACES]
    with ThreadPoolExecutor(jobs) as pool:
        for (reactor, place, _), found in zip(tasks, pool.map(lambda task: _one(*task), tasks), strict=True):
            yield from ((reactor, place, each) for each in found)


def _one(reactor: str, place: str, modules: Sequence[str]) -> list[Outcome]:
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        program = [sys.executable, str(HERE / "one_place.py"), place, reactor, *modules]
        done = subprocess.run(
            program, cwd=scratch, env=_environment(place), capture_output=True, text=True, check=False
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(program)}\nended with status {done.returncode}:\n{done.stderr[-2000:]}")
    found = [Outcome(*json.loads(line)) for line in done.stdout.splitlines()]
    what = FIRST if modules[0] == FIRST else "the others"
    print(f"{reactor}, {place}, {what}: {len(found)} tests, {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return found


def _environment(place: str) -> dict[str, str]:
    """As this process's; in the world C code is answered for, and hashes are the same each time."""
    library = native.find() if place == "world" else None
    for_c = {} if library is None else native.environment(library, os.environ)
    path = os.pathsep.join(each for each in sys.path if each)
    return os.environ | for_c | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"}


if __name__ == "__main__":
    sys.exit(main())
