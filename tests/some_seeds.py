"""The first seeds of the clean campaign, one after another, until one is wrong: `python -m tests.some_seeds 30`.

Exits with 1 where one is. With `--modules` it prints the product's modules of which some function was called.
"""

import gc
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from glitchgrid.lab.campaign.campaign import Task, perform
from glitchgrid.lab.campaign.plan import Wanted
from glitchgrid.lab.campaign.result import Verdict
from glitchgrid.lab.campaign.workers import prepare

ROOT = Path(__file__).parents[1]


def main() -> None:
    seeds, *options = sys.argv[1:]
    called: set[str] = set()

    def note(frame: FrameType, _event: str, _argument: Any) -> None:
        if frame.f_code.co_name != "<module>":
            called.add(frame.f_code.co_filename)

    prepare()
    if options == ["--modules"]:
        sys.setprofile(note)
    for seed in range(int(seeds)):
        result = perform(Task(seed, Wanted().layout(str(seed))))
        if result.verdict is Verdict.VIOLATION:
            print(seed, result.findings)
            sys.exit(1)
        gc.collect()
    sys.setprofile(None)
    paths = [Path(name) for name in sorted(called) if name.startswith(str(ROOT / "glitchgrid"))]
    if options:
        print("\n".join(str(path.relative_to(ROOT)) for path in paths if "lab" not in path.relative_to(ROOT).parts))


if __name__ == "__main__":
    main()
