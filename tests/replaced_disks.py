"""A vault's disk is replaced under load, again and again: ``python -m tests.replaced_disks``.

Two questions, each with real processes on this machine:

- ``load``: what clients notice. wrk loads a control of three vaults with 64 connections, as it is, and while one vault
  is killed, emptied and started again, in turn. Both runs of a pair lie side by side; operations that fail and the time
  until the vault votes are counted.
- ``crashes``: what is lost. Clients write and read while one vault after another is killed, emptied, started, killed in
  the middle of its rejoining, and started again. In the end the history is linearizable, and no operation has failed.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen
from rich.console import Console
from rich.progress import track

from benchmarks.wrk import Load, run_wrk
from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.history.format import count
from tests.end_to_end.processes import HOST, Control, Servers, Vault, ask, free_port, wait_until
from tests.end_to_end.recording import Clients

CONNECTIONS = 64
LOAD_S = 8
STRIKE_AFTER_S = 2.0
CLIENTS, REST_S = 8, 0.02
MIDDLE_S = 0.08
"""A vault that was just started and has begun to rejoin is killed up to so much later."""

VOTES_S_MAX, P99_RATIO_MAX = 2.0, 2.0


def grid(servers: Servers) -> tuple[Control, list[Vault]]:
    ports = [free_port() for _ in range(3)]
    addresses = [f"{HOST}:{port}" for port in ports]
    vaults = [servers.vault(port=port, options=["--peers", ",".join(addresses)], warm=True).start() for port in ports]
    for vault in vaults:
        until_it_votes(vault)
    return servers.control(addresses).restart(), vaults


def until_it_votes(vault: Vault) -> None:
    vault.wait_ready()
    wait_until(lambda: ask(vault.port).status == 200, f"{vault.name} votes")


def replace(vault: Vault) -> None:
    vault.kill()
    shutil.rmtree(vault.data_dir)


@frozen
class Pair:
    """:ivar votes_s: from the vault's start until it votes."""

    usual: Load
    replaced: Load
    votes_s: float

    @property
    def ratio(self) -> float:
        return self.replaced.p99_ms / self.usual.p99_ms


def loaded(control: Control, kind: str) -> Load:
    held = int(ask(control.port).body)
    return run_wrk(control.port, "grid", kind, CONNECTIONS, LOAD_S, held, held)


def pairs(control: Control, vaults: Sequence[Vault], number: int, kind: str) -> Iterator[Pair]:
    for turn in range(number):
        usual = loaded(control, kind)
        vault, took = vaults[turn % len(vaults)], [0.0]
        vault.prepare()

        def strike(vault: Vault = vault, took: list[float] = took) -> None:
            time.sleep(STRIKE_AFTER_S)  # in the middle of the load
            replace(vault)
            began_s = time.monotonic()
            vault.start()
            until_it_votes(vault)
            took[0] = time.monotonic() - began_s

        striker = threading.Thread(target=strike)
        striker.start()
        replaced = loaded(control, kind)
        striker.join()
        yield Pair(usual, replaced, took[0])


def measure_load(number: int, kind: str) -> bool:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, Servers(Path(directory)) as servers:
        control, vaults = grid(servers)
        console = Console(stderr=True)
        shown = track(
            pairs(control, vaults, number, kind), "pairs", number, console=console, disable=not console.is_terminal
        )
        found = list(shown)
        bugs = servers.bugs()
    failed = sum(pair.replaced.failed + pair.replaced.broken + pair.replaced.wrong for pair in found)
    ratio = statistics.median(pair.ratio for pair in found)
    p99 = [
        statistics.median(each.p99_ms for each in loads)
        for loads in zip(*((p.usual, p.replaced) for p in found), strict=True)
    ]
    votes_s = [pair.votes_s for pair in found]
    done = sum(pair.replaced.ok for pair in found)
    print(
        f"{kind}: {number} pairs of {LOAD_S} s with {CONNECTIONS} connections; {done} operations while a disk was"
        f" replaced, {failed} failed; p99 {p99[0]:.1f} ms as it is and {p99[1]:.1f} ms then, {ratio:.2f} times in the"
        f" median pair; votes again after {statistics.median(votes_s):.2f} s, at most {max(votes_s):.2f} s"
    )
    for bug in bugs:
        print(bug)
    return not failed and not bugs and ratio <= P99_RATIO_MAX and max(votes_s) <= VOTES_S_MAX


def measure_crashes(number: int, seed: int) -> bool:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, Servers(Path(directory)) as servers:
        control, vaults = grid(servers)
        with Clients(Path(directory) / "history.jsonl", [control.port], CLIENTS, seed, REST_S) as clients:
            console = Console(stderr=True)
            for turn in track(range(number), "replacements", console=console, disable=not console.is_terminal):
                vault = vaults[turn % len(vaults)]
                vault.prepare()
                vault.prepare()
                replace(vault)
                vault.start()
                wait_until((vault.data_dir / "value").exists, "it has begun")
                time.sleep(chance.uniform(0, MIDDLE_S))  # anywhere in its rejoining
                vault.kill()
                vault.start()
                until_it_votes(vault)
        history = clients.history
        bugs = servers.bugs()
    counts = count(history)
    is_linearizable = check(history, number) == Linearizable()
    print(
        f"{number} disks replaced, each with kill -9 in the middle; {counts}:"
        f" {'linearizable' if is_linearizable else 'NOT linearizable'}"
    )
    for bug in bugs:
        print(bug)
    return is_linearizable and not bugs and counts.failed == 0 and counts.ambiguous == 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.replaced_disks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("question", choices=["load", "crashes"])
    parser.add_argument("--number", type=int, default=0, help="pairs of runs (10), or replacements (100)")
    parser.add_argument("--kind", choices=["get", "post", "mixed"], default="mixed", help="what wrk asks for")
    parser.add_argument("--seed", type=int, default=1, help="of the clients, and of the moments")
    options = parser.parse_args(arguments)
    if options.question == "load":
        return 0 if measure_load(options.number or 10, options.kind) else 1
    return 0 if measure_crashes(options.number or 100, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
