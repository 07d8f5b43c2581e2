"""Figures of servers under pressure: ``python -m tests.pressure``.

Real servers on loopback, pressed one kind after another; with --page FILE the table is written there, too.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.end_to_end.processes import Server, Servers
from tests.pressure import kinds
from tests.pressure.kinds import Pressure
from tests.pressure.malformed import KINDS as MALFORMED
from tests.pressure.measuring import Measured, measure
from tests.pressure.other import PER_S

KINDS: Mapping[str, tuple[Pressure, float]] = {
    "10,000 idle connections": (kinds.idle(9_900), 10),
    "200 slow senders": (kinds.slow(200), 30),
    "50 that come and go": (kinds.churn(50), 15),
    f"{len(MALFORMED)} kinds of what is no request, 50 times each": (kinds.malformed(50), 0),
}
WARM_UP = 300
HEAD = (
    "| pressure | server | memory in MiB: before, most, after | descriptors: before, most, after | processor"
    " | p99 of others in ms: before, meanwhile | what came of it |\n|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pressure", description=__doc__)
    parser.add_argument("--page", type=Path, help="write the table there, too")
    parser.add_argument("--only", default="", help="of the kinds, those whose names have this")
    parser.add_argument("--times", type=int, default=2, help="so often each, one after another")
    given = parser.parse_args()
    chosen = {name: kind for name, kind in KINDS.items() if given.only in name}
    if not chosen:
        parser.error(f"no kind has {given.only!r} in its name; there are: {', '.join(KINDS)}")
    rows = []
    for row in _rows(chosen, given.times):
        rows.append(row)
        print(row, flush=True)
    if given.page is not None:
        given.page.write_text(_page(rows), encoding="utf-8")


def _rows(chosen: Mapping[str, tuple[Pressure, float]], times: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, Servers(Path(directory)) as servers:
        grid = servers.grid()
        alone = servers.vault().restart()
        kinds.more_descriptors()
        for server, name in ((grid.control, "control"), (alone, "vault")):
            asyncio.run(kinds.idle(WARM_UP)(server.port, 0))
            for kind, (pressure, seconds) in chosen.items():
                for _ in range(times):
                    yield _row(kind, name, asyncio.run(measure(server, pressure, seconds)))
        wrong = [*servers.bugs(), *_ended(grid.control, *grid.vaults, alone)]
        if wrong:
            sys.exit("\n".join(wrong))


def _ended(*servers: Server) -> list[str]:
    return [f"{server.name} has ended" for server in servers if server.process.poll() is not None]


def _row(kind: str, name: str, measured: Measured) -> str:
    held = (measured.before, measured.most, measured.after)
    memory = ", ".join(f"{each.memory_mib:.1f}" for each in held)
    descriptors = ", ".join(f"{each.descriptors:,}" for each in held)
    waits = f"{measured.alone.p99_ms:.1f}, {measured.meanwhile.p99_ms:.1f}"
    seen = ", ".join(f"{count:,} {what}" for what, count in sorted(measured.seen.items()))
    return f"| {kind} | {name} | {memory} | {descriptors} | {measured.busy:.0%} | {waits} | {seen} |"


def _page(rows: list[str]) -> str:
    command = "python -m tests.pressure --page docs/measured/under-pressure.md"
    return "\n".join(
        [
            "# Under pressure",
            "",
            f"Written by `{command}` on {time.strftime('%Y-%m-%d')}; Python {platform.python_version()}.",
            "",
            "A control of three vaults, and a vault alone, on the same two cores as whoever presses on them; each",
            "kind twice, one after another, so that what is kept can be told from what leaks. Another client, a",
            f"process of its own, reads {PER_S} times a second meanwhile, over one connection. Memory and descriptors are",
            "those of the server's process.",
            "",
            HEAD,
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
