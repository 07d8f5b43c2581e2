"""Figures of servers under pressure: ``python -m tests.pressure``.

Real servers on loopback, pressed one kind after another; with --page FILE the table is written there, too.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.certificates import Authority
from tests.end_to_end.processes import HOST, Server, Servers
from tests.pressure import kinds
from tests.pressure.kinds import Pressure
from tests.pressure.malformed import KINDS as MALFORMED
from tests.pressure.measuring import Measured, measure
from tests.pressure.other import PER_S, WITHOUT_TLS, Client
from tests.pressure.watching import GIVES_BACK_S

CROWD = "10,000 idle connections"
KINDS: Mapping[str, tuple[Pressure, float]] = {
    CROWD: (kinds.idle(9_900), 10),
    "200 slow senders": (kinds.slow(200), 30),
    "50 that come and go": (kinds.churn(50), 15),
    f"{len(MALFORMED)} kinds of what is no request, 50 times each": (kinds.malformed(50), 0),
}
STRANGERS = "strangers at a control with TLS"
STRANGERS_COUNT, STRANGERS_PER_S, STRANGERS_S = 5, 10.0, 10.0
WARM_UP = 300
GIVES_ALL_BACK_S = 32.0
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
    chosen = [name for name in (*KINDS, STRANGERS) if given.only in name]
    if not chosen:
        parser.error(f"no kind has {given.only!r} in its name; there are: {', '.join((*KINDS, STRANGERS))}")
    rows = []
    for row in _rows(chosen, given.times):
        rows.append(row)
        print(row, flush=True)
    if given.page is not None:
        given.page.write_text(_page(rows), encoding="utf-8")


def _rows(chosen: Sequence[str], times: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, Servers(Path(directory)) as servers:
        kinds.more_descriptors()
        pressed = [KINDS[name] for name in chosen if name in KINDS]
        if pressed:
            grid = servers.grid()
            for server, name in ((grid.control, "control"), (servers.vault().restart(), "vault")):
                asyncio.run(kinds.idle(WARM_UP)(server.port, 0))
                for kind in chosen:
                    if kind in KINDS:
                        gives_back_s = GIVES_ALL_BACK_S if kind == CROWD else GIVES_BACK_S
                        for _ in range(times):
                            yield _row(kind, name, _measured(server, *KINDS[kind], gives_back_s=gives_back_s))
        if STRANGERS in chosen:
            yield from _strangers(servers, Path(directory), times)
        if servers.bugs():
            sys.exit("\n".join(servers.bugs()))


def _strangers(servers: Servers, directory: Path, times: int) -> Iterator[str]:
    authority = Authority(directory / "ours")
    own, late = authority.issue("own", HOST), authority.issue("late", HOST, days=-1)
    other = Authority(directory / "theirs").issue("other", HOST)
    client = Client(*map(str, (authority.file, *own)))
    ca, certificate, key = client.ca, client.certificate, client.key
    secured = ["--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", ca]
    asking = ["--vault-ca", ca, "--client-cert", certificate, "--client-key", key]
    vaults = [servers.vault(options=secured) for _ in range(3)]
    control = servers.control([vault.address for vault in vaults], [*secured, *asking])
    for server in (*vaults, control):
        server.tls = authority.client(own)
        server.restart()
    for who, tls in (
        ("no TLS", None),
        ("no certificate", authority.client()),
        ("another authority's certificate", authority.client(other)),
        ("a certificate that has ended", authority.client(late)),
    ):
        pressure = kinds.strangers(STRANGERS_COUNT, STRANGERS_PER_S, tls)
        for _ in range(times):
            yield _row(f"strangers with {who}", "control", _measured(control, pressure, STRANGERS_S, client))


def _measured(
    server: Server,
    pressure: Pressure,
    seconds: float,
    client: Client = WITHOUT_TLS,
    gives_back_s: float = GIVES_BACK_S,
) -> Measured:
    measured = asyncio.run(measure(server, pressure, seconds, client, gives_back_s))
    if not measured.lives:
        sys.exit(f"{server.name} has ended")
    return measured


def _row(kind: str, name: str, measured: Measured) -> str:
    held = (measured.before, measured.most, measured.after)
    memory = ", ".join(f"{each.memory_mib:.1f}" for each in held)
    descriptors = ", ".join(f"{each.descriptors:,}" for each in held)
    waits = f"{measured.alone.p99_ms:.1f}, {measured.meanwhile.p99_ms:.1f}"
    if measured.meanwhile.failed:
        waits += f"; {measured.meanwhile.failed:,} FAILED"
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
            f"process of its own, reads {PER_S} times a second meanwhile, over one connection. Memory and",
            "descriptors are those of the server's process. Strangers are five, each of whom tries ten times a second.",
            "",
            "What a crowd leaves is looked at half a minute later. The first one leaves a control with 5 to 16 MiB",
            "more than it had, and the less the longer it serves: 2 MiB of tables that never shrink, and arenas of",
            "Python's in which a timer or two were set meanwhile. The second leaves a control nothing more, and a",
            "vault as much again.",
            "",
            HEAD,
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
