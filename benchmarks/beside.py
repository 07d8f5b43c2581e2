"""The same campaign by this checkout and by another one, in turns: how many times as long it takes here.

A campaign is run as its users run it, in one process (`--jobs 1`), from the command's start to its end; what counts is
the least time of each. The seeds are the same, and the runs are not: what a seed draws differs between versions, so the
operations that clients called are told, too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.errors import CannotMeasure

CHECKOUT = Path(__file__).parents[1]
CAMPAIGN_S_MAX = 3600


@frozen
class Campaign:
    """:ivar seconds: the least of some times."""

    seconds: float
    seeds: int
    operations: int

    @property
    def per_run_ms(self) -> float:
        return self.seconds / self.seeds * 1000

    @property
    def per_operation_ms(self) -> float:
        return self.seconds / self.operations * 1000


@frozen
class Beside:
    here: Campaign
    other: Campaign

    def as_text(self) -> str:
        """A table, and how many times as long it takes here."""
        lines = ["          ms a run   operations   ms an operation"]
        for name, campaign in (("here", self.here), ("other", self.other)):
            lines.append(
                f"{name:<6}{campaign.per_run_ms:>12.0f}{campaign.operations:>13,}{campaign.per_operation_ms:>18.2f}"
            )
        run = self.here.per_run_ms / self.other.per_run_ms
        operation = self.here.per_operation_ms / self.other.per_operation_ms
        lines.append(f"ratio {run:>12.2f}{operation:>31.2f}")
        return "\n".join(lines)


def measure_beside(other: Path, seeds: int, rounds: int, progress: Callable[[int, int], None]) -> Beside:
    """Run the campaign of so many seeds so often in both, in turns.

    :param other: another checkout. Its dependencies have to be those of this Python's.
    :raises CannotMeasure: where there is none, or a campaign fails.
    """
    if not (other / "glitchgrid").is_dir():
        raise CannotMeasure(f"{other} is no checkout of this project")
    found: dict[Path, list[Campaign]] = {CHECKOUT: [], other.resolve(): []}
    if len(found) == 1:
        raise CannotMeasure(f"{other} is this checkout")
    for number in range(rounds):
        for place, (checkout, campaigns) in enumerate(found.items()):
            campaigns.append(_campaign(checkout, seeds))
            progress(2 * number + place + 1, 2 * rounds)
    here, there = (_least(campaigns) for campaigns in found.values())
    return Beside(here, there)


def _least(campaigns: Sequence[Campaign]) -> Campaign:
    return min(campaigns, key=lambda each: each.seconds)


def _campaign(checkout: Path, seeds: int) -> Campaign:
    options = ["--seeds", f"0:{seeds}", "--jobs", "1", "--json"]
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "glitchgrid", "simulate", *options],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=CAMPAIGN_S_MAX,
        check=False,
    )
    seconds = time.monotonic() - began_s
    if done.returncode:
        raise CannotMeasure(f"the campaign of {checkout} has ended with status {done.returncode}: {done.stderr}")
    said = json.loads(done.stdout)
    return Campaign(seconds, said["seeds"], said["operations"])
