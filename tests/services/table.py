"""Runs the services' tests, and holds docs/reference/real-services.md against what was seen.

Where the page says otherwise, it is written anew, and this fails.
"""

import argparse
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "reference" / "real-services.md"
SEEDS = 50
"""As the page has it. Its rows can be held with fewer, but for their figures."""

REPLAYED = "3"
"""Of the seeds: one with many faults."""

AT_ONE_TIME = 2
TEST_S_MAX = 900
FIGURE = re.compile(r"\| [0-9,]+ \|$", re.MULTILINE)
"""How fast it was, at the end of a row."""


@dataclass(frozen=True)
class Seen:
    """:ivar said: pytest's words where the test has failed; None where it has passed.
    :ivar seeds_a_minute: None where it has not passed.
    """

    said: str | None
    seeds_a_minute: int | None


def run(service: dict[str, Any], seeds: int = SEEDS) -> Seen:
    """Run a service's test at so many seeds, and one of these twice."""
    begun_s = time.monotonic()
    said = _failure(service["test"], "--sim-seeds", str(seeds))
    took_s = time.monotonic() - begun_s
    if said is None:
        said = _failure(service["test"], "--sim-seed", REPLAYED, "--sim-check")
    return Seen(said, None if said is not None else round(seeds * 60 / took_s))


def _failure(test: str, *options: str) -> str | None:
    command = [sys.executable, "-m", "pytest", "--quiet", "--sim-no-shrink", *options, test]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=TEST_S_MAX, check=False)
    except subprocess.TimeoutExpired:
        return f"it has not ended after {TEST_S_MAX} s"
    return done.stdout + done.stderr if done.returncode else None


def run_all(services: Sequence[dict[str, Any]], seeds: int) -> list[Seen]:
    console = Console(stderr=True)
    columns = TextColumn("services"), BarColumn(), MofNCompleteColumn()
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(AT_ONE_TIME) as pool,
    ):
        # The slowest are the last in the list: they begin first, and nobody waits for one alone.
        found = pool.map(lambda service: run(service, seeds), reversed(services))
        seen = progress.track(found, total=len(services))
        return list(reversed(list(seen)))


def page(services: Sequence[dict[str, Any]], seen: Sequence[Seen]) -> str:
    rows = [
        ("service", "version", "what runs", "client", "faults", "oracle", "runs?", "seeds a minute"),
        ("---",) * 8,
        *(_row(service, each) for service, each in zip(services, seen, strict=True)),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = (HERE / "page.md").read_text(encoding="utf-8")
    return text.replace("@TABLE@", table).replace("@SEEDS@", str(SEEDS))


def _row(service: dict[str, Any], seen: Seen) -> tuple[str, ...]:
    package = service["package"]
    runs = "yes" if seen.said is None else f"no: {service.get('stopped', 'it fails')}"
    speed = "-" if seen.seeds_a_minute is None else f"{seen.seeds_a_minute:,}"
    told = (service[each] for each in ("runs", "client", "faults", "oracle"))
    return package, version(package), *told, runs, speed


def surprises(services: Sequence[dict[str, Any]], seen: Sequence[Seen]) -> list[str]:
    """What is not as the list of services says."""
    found = []
    for service, each in zip(services, seen, strict=True):
        if each.said is not None and "stopped" not in service:
            found.append(f"{service['test']} does not run:\n{each.said}")
        if each.said is None and "stopped" in service:
            found.append(f"{service['test']} runs, and services.toml says why it does not: take that out")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page anew, with the figures of this run")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"so many in place of {SEEDS}; nothing is written")
    options = parser.parse_args()
    is_whole = options.seeds == SEEDS
    services = tomllib.loads((HERE / "services.toml").read_text(encoding="utf-8"))["service"]
    seen = run_all(services, options.seeds)
    found = surprises(services, seen)
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    text, before = page(services, seen), PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    is_other = FIGURE.sub("| |", text) != FIGURE.sub("| |", before)
    if is_whole and (is_other or options.write):
        PAGE.write_text(text, encoding="utf-8")
    if is_other and not (is_whole and options.write):
        then = "it is written anew: look at it, commit it" if is_whole else "scripts/services --write writes it anew"
        print(f"{PAGE} says otherwise than what was seen; {then}", file=sys.stderr)
        return 1
    stopped = sum("stopped" in each for each in services)
    print(f"{len(services) - stopped} tests of services run at {options.seeds} seeds, {stopped} as is known do not")
    return 0


if __name__ == "__main__":
    sys.exit(main())
