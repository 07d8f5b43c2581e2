"""The same runs in another process with another hash seed: a run that depends on hashes differs there.

    python -m glitchgrid.lab.campaign.elsewhere

reads tasks from standard input, a line of JSON each, and prints the digest of each run.
"""

import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import asdict

from glitchgrid.lab.campaign.run import run_plan, run_seed
from glitchgrid.lab.campaign.workers import prepare
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.glitch import switched_on
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.place.environment import own_hash_seed
from glitchgrid.lab.plan.file import decode_plan, encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.system import System

HASH_SEEDS = (1, 2)
"""One of them is another one than ours, whatever ours is."""


class Elsewhere:
    """Another process that runs seeds. It ends with this one, whose end closes its standard input."""

    def __init__(self) -> None:
        other = next(seed for seed in HASH_SEEDS if seed != own_hash_seed())
        self._process = subprocess.Popen(
            [sys.executable, "-m", "glitchgrid.lab.campaign.elsewhere"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": str(other)},
            start_new_session=True,  # Ctrl-C is for whoever waits for it
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, seed: str, layout: Layout, glitch: str | None) -> None:
        """Have it run a seed."""
        self._say({"system": layout.system, "seed": seed, "layout": asdict(layout), "glitch": glitch})

    def begin_plan(self, plan: Plan, glitch: str | None) -> None:
        """Have it run a plan."""
        self._say({"system": plan.layout.system, "plan": encode_plan(plan), "glitch": glitch})

    def digest(self) -> str:
        """The digest of the run that was begun.

        :raises CannotRun: where that process has ended.
        """
        assert self._process.stdout is not None, "it is a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun("the process that runs seeds a second time has ended")
        return line.strip()

    def close(self) -> None:
        """Have it end, and wait for that."""
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        self._process.kill()
        with suppress(BrokenPipeError):  # it had ended by itself, with something left to say to it
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _say(self, task: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        try:
            print(json.dumps(task), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise CannotRun("the process that runs seeds a second time has ended") from error


def main() -> None:
    """Run the tasks that come on standard input, until it ends."""
    prepare()
    for line in sys.stdin:
        task = json.loads(line)
        system: System = pkgutil.resolve_name(task["system"])
        with switched_on(system.glitches, task["glitch"]):
            if "plan" in task:
                result = run_plan(decode_plan(task["plan"], system.plans))
            else:
                result = run_seed(task["seed"], system.plans.layout(**task["layout"]))
        print(result.digest, flush=True)


if __name__ == "__main__":
    main()
