"""A grid for an hour, with kills and pauses: ``python -m tests.soak --minutes 60``.

Clients of two controls write and read all the time. One vault after another is killed or paused, for a while each, and
now and then a second one with it; a control is killed, too. In the end the history is linearizable, and the two servers
that are never killed, one control and one vault, hold as much memory and as many descriptors as in the beginning.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.history.format import count
from tests.end_to_end.processes import Control, Server, Servers, Vault, ask, wait_until
from tests.end_to_end.recording import Clients
from tests.pressure.watching import Held, Watched

CLIENTS, REST_S = 8, 0.1
ACKNOWLEDGED_MIN = 100
STRIKE_S = (1.0, 4.0)
CALM_S = (0.5, 3.0)
TOLD_EVERY = 12
"""So many looks at what is held there are in all."""

GROWTH_MAX = 1.10
WARM_UP = 2
"""So many of the first looks are not what the later ones are held against: caches fill."""


@frozen
class Soaked:
    """:ivar strikes: how often something was killed or paused.
    :ivar held: by the names of those that are never killed, what they held: look by look.
    """

    operations: int
    counts: object
    is_linearizable: bool
    strikes: int
    held: dict[str, list[Held]]
    bugs: list[str]

    def problems(self) -> Iterator[str]:
        if not self.is_linearizable:
            yield "the history is not linearizable"
        yield from self.bugs
        for name, looks in self.held.items():
            first, last = looks[min(WARM_UP, len(looks) - 1)], looks[-1]
            if last.memory_mib > GROWTH_MAX * first.memory_mib:
                yield f"{name} has grown from {first.memory_mib:.1f} to {last.memory_mib:.1f} MiB"
            if last.descriptors > first.descriptors + CLIENTS:
                yield f"{name} had {first.descriptors} descriptors, and has {last.descriptors}"


class Strikes:
    """What happens to the servers, one thing after another, from a seed."""

    def __init__(self, controls: list[Control], vaults: list[Vault], seed: int) -> None:
        self._random = random.Random(seed)
        self._controls = controls
        self._vaults = vaults
        self.count = 0

    def strike(self) -> None:
        """Hurt one server or two for a while, and wait until they are well again."""
        chance = self._random
        first, *others = self._vaults
        victims: list[Server] = chance.sample(others, 1 if chance.random() < 0.7 else 2)
        if chance.random() < 0.2:
            victims = [self._controls[1]]
        elif chance.random() < 0.2:
            victims = [first, *victims[:1]]
        paused: list[Server] = []
        for victim in victims:
            if victim is first or chance.random() < 0.5:  # whoever is watched for an hour is never killed
                victim.stop()
                paused.append(victim)
            else:
                victim.kill()
            self.count += 1
        time.sleep(chance.uniform(*STRIKE_S))
        for victim in victims:
            if victim in paused:
                victim.cont()
            else:
                victim.restart()
        time.sleep(chance.uniform(*CALM_S))


def soak(directory: Path, minutes: float, seed: int, told: Callable[[str], object]) -> Soaked:
    with Servers(directory) as servers:
        vaults = [servers.vault().restart() for _ in range(3)]
        addresses = [vault.address for vault in vaults]
        controls = [servers.control(addresses).restart() for _ in range(2)]
        kept: dict[str, Server] = {"control": controls[0], "vault": vaults[0]}
        held: dict[str, list[Held]] = {name: [] for name in kept}
        strikes = Strikes(controls, vaults, seed)
        ports = [control.port for control in controls]
        began_s = time.monotonic()
        with Clients(directory / "history.jsonl", ports, CLIENTS, seed, REST_S) as clients:
            for look in range(TOLD_EVERY + 1):
                while time.monotonic() < began_s + 60 * minutes * look / TOLD_EVERY:
                    strikes.strike()
                for name, server in kept.items():
                    held[name].append(Watched(server).held())
                now = ", ".join(f"{name} {looks[-1].memory_mib:.1f} MiB" for name, looks in held.items())
                told(f"{(time.monotonic() - began_s) / 60:5.1f} min: {clients.answered:,} operations, {now}")
            for server in (*vaults, *controls):
                wait_until(lambda server=server: ask(server.port).status == 200, "all answer")  # type: ignore[misc]
        history = clients.history
        return Soaked(
            clients.answered,
            count(history),
            check(history, ACKNOWLEDGED_MIN) == Linearizable(),
            strikes.count,
            held,
            servers.bugs(),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        soaked = soak(Path(directory), given.minutes, given.seed, lambda line: print(line, flush=True))
    print(f"{soaked.operations:,} operations, {soaked.strikes:,} kills and pauses; {soaked.counts}")
    for name, looks in soaked.held.items():
        print(f"{name}: memory in MiB {', '.join(f'{each.memory_mib:.1f}' for each in looks)}")
        print(f"{name}: descriptors {', '.join(str(each.descriptors) for each in looks)}")
    problems = list(soaked.problems())
    print("\n".join(problems) if problems else "linearizable, and nothing has grown")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
