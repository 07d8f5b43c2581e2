"""Plans on the grid that ``up`` runs: what relays and processes can do, and what is refused when it is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.commands.relayplan import read_faults
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults import links
from glitchgrid.lab.faults.kinds import OF_FRAMES
from glitchgrid.lab.register.live.relaystage import DONE, REFUSALS, RelayNetwork, Servers, drawn, require_possible
from glitchgrid.lab.register.live.stage import CannotDo, LinkSeen
from glitchgrid.lab.register.plans import PLANS
from glitchgrid.lab.relay.link import Direction, Link
from glitchgrid.simulation.network import Slowness

THERE, BACK = Direction.THERE, Direction.BACK


class Relays:
    """Notes what is done to the only link."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[Any, ...]] = []
        for verb in ("cut", "mend", "hold", "release", "slow", "heal", "reset"):
            monkeypatch.setattr(Link, verb, lambda _, *arguments, verb=verb: self.done.append((verb, *arguments)))
        self._link = Link(None, "control", "vault1", 0, None, lambda _: None)  # type: ignore[arg-type]

    def find(self, one: str, other: str) -> Link:
        if {one, other} != {"control", "vault1"}:
            raise CannotDo("there is no link")
        return self._link

    def seen(self) -> list[LinkSeen]:
        return [LinkSeen("control", "vault1", [], [], 0, 0)]


@pytest.fixture
def relays(monkeypatch: pytest.MonkeyPatch) -> Relays:
    return Relays(monkeypatch)


@pytest.fixture
def network(relays: Relays) -> RelayNetwork:
    """The only control has no number here, and has one in plans."""
    return RelayNetwork(relays, {"control1": "control", "vault1": "vault1", "vault2": "vault2"})  # type: ignore[arg-type]


def test_directions_are_those_of_the_relay(network: RelayNetwork, relays: Relays) -> None:
    network.cut("control1", "vault1")
    network.hold("vault1", "control1")
    network.cut("vault1", "vault2")
    assert relays.done == [("cut", THERE), ("hold", BACK)], "vaults do not speak with one another"


def test_what_overlaps_ends_with_the_last(network: RelayNetwork, relays: Relays) -> None:
    for _ in range(2):
        network.cut("control1", "vault1")
        network.hold("control1", "vault1")
    relays.done.clear()
    network.mend("control1", "vault1")
    network.release("control1", "vault1")
    assert relays.done == []
    network.mend("control1", "vault1")
    network.release("control1", "vault1")
    assert relays.done == [("mend", THERE), ("release", THERE)]


def test_the_last_that_slows_a_way_counts(network: RelayNetwork, relays: Relays) -> None:
    network.slow("control1", "vault1", Slowness(5_000_000, 0, 0))
    network.slow("control1", "vault1", Slowness(400_000_000, 0, 0))
    network.calm("control1", "vault1")
    network.calm("control1", "vault1")
    assert relays.done == [("slow", 0.005, THERE), ("slow", 0.4, THERE), ("slow", 0.005, THERE), ("slow", 0.0, THERE)]


def test_all_is_well_again(network: RelayNetwork, relays: Relays) -> None:
    network.cut("control1", "vault1")
    network.heal()
    assert relays.done[-1] == ("heal",)
    relays.done.clear()
    network.cut("control1", "vault1")
    network.mend("control1", "vault1")
    assert relays.done == [("cut", THERE), ("mend", THERE)], "what was healed does not count any more"


def test_every_kind_is_done_or_refused() -> None:
    assert {kind.kind for kind in DONE} | set(REFUSALS) == {*PLANS.kinds, *(kind.kind for kind in OF_FRAMES)}
    assert not {kind.kind for kind in DONE} & set(REFUSALS)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "power loss", "machine": "vault1"}, "power loss: it cannot be done here: it takes a machine"),
        ({"kind": "kill", "machine": "vault4"}, "kill: 'vault4' is not one of vault1, vault2, vault3, control1"),
        ({"kind": "cut", "source": "clients", "target": "control1"}, "cut: 'clients' is not one of vault1"),
        (
            {
                "kind": "slow",
                "source": "control1",
                "target": "vault1",
                "latency_us": 5,
                "jitter_us": 0,
                "loss_per_mille": 10,
            },
            "no loss, no jitter",
        ),
        ({"kind": "congestion", "latency_us": 5, "jitter_us": 1, "loss_per_mille": 0}, "no loss, no jitter"),
    ],
)
def test_what_cannot_be_done_is_refused_when_it_is_read(fault: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"plan": 2, "faults": [{"at_ms": 0, "for_ms": 1, **fault}]}), encoding="utf-8")
    with pytest.raises(CannotRun) as refused:
        read_faults(path, Servers(3, 1))
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_what_a_seed_draws_can_be_done() -> None:
    layout = Servers(3, 2)
    kinds = set()
    for seed in range(40):
        faults = [each.fault for each in drawn(seed, layout, 20)]
        assert faults, "a timeline takes too long to have none"
        require_possible(faults)
        assert {name for fault in faults for name in fault.machines} <= {*layout.servers}
        kinds |= {fault.kind for fault in faults}
    assert kinds == {kind.kind for kind in DONE} - {"signal"}
    assert drawn(7, layout, 20) == drawn(7, layout, 20)
    assert all(each.at_ms < 20_000 for each in drawn(7, layout, 20))


def test_what_can_be_done_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    slow = {"kind": "clog", "machine": "vault1", "how": "jammed", "way": "in"} | {
        "latency_us": 5,
        "jitter_us": 7,
        "loss_per_mille": 10,
    }
    path.write_text(json.dumps({"plan": 2, "faults": [{"at_ms": 0, "for_ms": 1, **slow}]}), encoding="utf-8")
    (planned,) = read_faults(path, Servers(3, 1))
    assert planned.fault == links.Clog("vault1", "jammed", "in", 5, 7, 10), "what is jammed is not slowed"
