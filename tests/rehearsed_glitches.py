"""How soon deliberate bugs are found on real machines: ``python -m tests.rehearsed_glitches``.

Each glitch of the catalogue is switched on in the grid of ``examples/grid``, and timelines with drawn faults are run,
one on each processor, each from another seed, until one is found to be wrong or the time is over. First there is none,
and nothing is to be found. With --page FILE the table is written there, as far as it goes.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from glitchgrid.lab.register.glitches import GLITCHES

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ROOT / "examples" / "grid" / "system.toml"
TEMPLATES = SYSTEM.parent / "templates"
TIMELINE_MIN = 0.12
SOON_S = 60
NONE = "none"
LOOK_S = 0.2
JOBS = os.cpu_count() or 1
WIDTH_MAX = 110


@frozen
class Found:
    """:ivar seconds: until it was found, with the time that machines take to be made; None where it was not.
    :ivar by: what told it first.
    :ivar broken: how many timelines could not say: something in them has broken, or did not end.
    """

    glitch: str
    seconds: float | None
    timelines: int
    by: str = ""
    broken: int = 0

    def __str__(self) -> str:
        when = "not found" if self.seconds is None else f"{self.seconds:.0f} s"
        broken = f" ({self.broken} broken)" if self.broken else ""
        return f"| {self.glitch} | {when} | {self.timelines}{broken} | {self.by[:WIDTH_MAX].replace('|', '/')} |"


def look_for(glitch: str, within_s: float, seed: int) -> Found:
    """Run timelines, as many at a time as there are processors, until one is wrong."""
    began_s = time.monotonic()
    seeds = itertools.count(seed)
    done = broken = 0
    with tempfile.TemporaryDirectory(prefix="glitchgrid-") as directory:
        running: dict[subprocess.Popen[bytes], Path] = {}
        try:
            while time.monotonic() - began_s < within_s:
                while len(running) < JOBS:
                    out = Path(directory) / f"seed-{next(seeds)}"
                    running[_begin(glitch, out)] = out
                time.sleep(LOOK_S)
                for process in [each for each in running if each.poll() is not None]:
                    out = running.pop(process)
                    done += 1
                    broken += process.returncode not in {0, 1}
                    if process.returncode == 1:
                        return Found(glitch, time.monotonic() - began_s, done, _why(out), broken)
        finally:
            for process in running:
                process.terminate()
                process.wait()
    return Found(glitch, None, done, broken=broken)


def _begin(glitch: str, out: Path) -> "subprocess.Popen[bytes]":
    """A timeline, whose seed is in the directory's name."""
    command = [
        "rehearse",
        "--system",
        str(SYSTEM),
        "--templates",
        str(TEMPLATES),
        "--set",
        f"glitch={'' if glitch == NONE else glitch}",
    ]
    command += ["--timelines", "1", "--minutes", f"{TIMELINE_MIN}", "--seed", out.name.removeprefix("seed-")]
    return subprocess.Popen(
        [sys.executable, "-m", "glitchgrid", *command, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _why(out: Path) -> str:
    command = [sys.executable, "-m", "glitchgrid", "report", str(out), "--json"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout)
    by_history = [each["why"] for each in told["histories"] if each["verdict"] == "not linearizable"]
    by_property = [each["text"] for each in told["properties"] if each["standing"] == "failed"]
    by_command = [name for name, ends in told["commands"].items() if ends.get("failed")]
    for what, found in (("property", by_property), ("history", by_history), ("command", by_command)):
        if found:
            return f"{what}: {found[0]}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsed_glitches", description=__doc__)
    parser.add_argument("--within", type=float, default=300, metavar="SECONDS", help="each has so long to be found")
    parser.add_argument("--only", default="", help="glitches whose names have this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, help="write the table there")
    given = parser.parse_args()
    found = []
    for glitch in (NONE, *GLITCHES):
        if given.only in glitch:
            found.append(look_for(glitch, given.within, given.seed))
            print(found[-1], flush=True)
            if given.page is not None:
                given.page.write_text(_page(found, given.within), encoding="utf-8")
    print(_sum(found), flush=True)
    if any(each.glitch == NONE and (each.seconds is not None or each.broken or not each.timelines) for each in found):
        sys.exit("without any glitch, too, something is wrong: the others' rows say nothing")


def _sum(found: Sequence[Found]) -> str:
    bugs = [each for each in found if each.glitch != NONE]
    seconds = [each.seconds for each in bugs if each.seconds is not None]
    soon = sum(each <= SOON_S for each in seconds)
    return f"{len(seconds)} of {len(bugs)} found, {soon} of them within {SOON_S} s"


def _page(found: Sequence[Found], within_s: float) -> str:
    command = f"python -m tests.rehearsed_glitches --within {within_s:g} --page docs/measured/rehearsed-glitches.md"
    return "\n".join(
        [
            "# Deliberate bugs on real machines",
            "",
            f"Written by `{command}` on {time.strftime('%Y-%m-%d')}; Python {platform.python_version()}.",
            "",
            "Three vaults and two controls, each a real process on a machine of its own (`examples/grid`), with faults",
            f"drawn anew for each timeline of {TIMELINE_MIN * 60:g} s, {JOBS} at a time, until one is wrong.",
            "Another run finds them at other times: real processes are not deterministic. What clients cannot see",
            "(time that is wasted, timers that are left) only simulation finds.",
            "",
            f"{_sum(found)}; each had {within_s:g} s.",
            "",
            "| glitch | found after | timelines | by |",
            "|---|---|---|---|",
            *map(str, found),
            "",
        ]
    )


if __name__ == "__main__":
    main()
