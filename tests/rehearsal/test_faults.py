"""The faults of the simulator on real machines: what they ask a machine for, in which order, and what they refuse."""

import json
import signal
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from glitchgrid.lab.composer.faults import read_faults
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.faults import disks, links, processes
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.kinds import ASKED_FOR, FAULTS
from glitchgrid.lab.plan.file import decode_faults, encode_plan
from glitchgrid.lab.plan.plan import Environment, Habits, Plan, Planned
from glitchgrid.lab.rehearsal.events import EVENTS, began, ended
from glitchgrid.lab.rehearsal.host import RESTART_AFTER_S, Host, RealClock, World
from glitchgrid.lab.rehearsal.nemesis import PlannedNemesis
from glitchgrid.lab.rehearsal.stage import Means, RealStage
from glitchgrid.lab.rehearsal.systemfile import Machines
from glitchgrid.machines.roughness import Roughness
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import RandomStream

LAYOUT = Machines(("a", "b"), ("a", "b"))


class Child:
    """A program."""

    how_it_ended = "exit status 1"

    def __init__(self) -> None:
        self.running = True
        self.signals: list[int] = []
        self._waiting: list[Deferred[int]] = []

    def when_ended(self) -> "Deferred[int]":
        waiting: Deferred[int] = Deferred()
        self._waiting.append(waiting)
        return waiting if self.running else succeed(0)

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def end(self) -> None:
        self.running = False
        for each in self._waiting:
            each.callback(0)


class Machine:
    """A machine's first process, which is asked."""

    pid = 7

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: Any = None
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.answers: list[Deferred[Any]] = []
        self.waits = False
        self.without_library: list[str] = []

    def ask(self, do: str, **fields: object) -> "Deferred[Any]":
        self.asked.append((do, fields))
        answer: Deferred[Any] = Deferred()
        if self.waits:
            self.answers.append(answer)
        else:
            answer.callback(self.without_library if do == "programs without" else True)
        return answer


class Net:
    """Writes down what is done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.done.append((name, *arguments))


class Bench:
    def __init__(self, directory: Path) -> None:
        self.reactor = Clock()
        self.world = World(Net())
        self.troubles: list[str] = []
        self.by_themselves: list[str] = []
        self.launched: list[str] = []
        for name in ("a", "b", "clients"):
            self.world.machines[name] = Host(
                self.reactor,
                self.world,
                Machine(name),  # type: ignore[arg-type]
                RealClock(directory / f"{name}.clock"),
                lambda name=name: self._launch(name),  # type: ignore[misc]
                lambda host, _child: self.by_themselves.append(host.name),
                self.troubles.append,
                RandomStream(name),
            )
        self.a, self.b, clients = self.world.machines.values()
        self.stage = RealStage(self.world, [self.a, self.b], [self.a, self.b], clients)
        for host in (self.a, self.b):
            host.start()

    def _launch(self, name: str) -> Any:
        self.launched.append(name)
        return Child()

    def asked(self, host: Host) -> Sequence[tuple[str, dict[str, object]]]:
        machine: Any = host.machine
        asked: Sequence[tuple[str, dict[str, object]]] = machine.asked
        machine.asked = []
        return asked

    def end(self, host: Host) -> None:
        child: Any = host.child
        child.end()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_kill_and_a_start_once_all_is_gone(bench: Bench) -> None:
    machine: Any = bench.a.machine
    machine.waits = True
    fault = processes.Kill("a")
    assert fault.begin(bench.stage)
    assert bench.asked(bench.a) == [("kill", {})]
    assert bench.a.process is None
    fault.end(bench.stage)
    bench.end(bench.a)
    assert bench.launched == ["a", "b"], "the machine has not said that all is gone"
    machine.answers.pop().callback(True)
    assert bench.launched == ["a", "b", "a"]
    assert bench.by_themselves == []


def test_a_loss_of_power_is_silent(bench: Bench) -> None:
    processes.PowerLoss("a").begin(bench.stage)
    network: Any = bench.world.network
    assert network.done == [("silence", "a"), ("hear", "a")]
    assert bench.asked(bench.a) == [("lose power", {})]


def test_a_loss_of_power_in_a_sync_waits_for_one(bench: Bench) -> None:
    fault = processes.PowerLossInSync("a")
    assert not fault.begin(bench.stage)
    assert bench.asked(bench.a) == [("watch syncs", {"is_watched": True})]
    bench.a.machine.said({"syncing": True})
    assert bench.asked(bench.a) == [("lose power", {})]
    assert fault.end(bench.stage), "it has happened"


def test_a_pause_and_a_throttle_hold_together(bench: Bench) -> None:
    pause, throttle = processes.Pause("a"), processes.Throttle("a", 2000)
    assert pause.begin(bench.stage)
    throttle.begin(bench.stage)
    bench.reactor.advance(0.02)
    stop, go_on = ("signal", {"number": int(signal.SIGSTOP)}), ("signal", {"number": int(signal.SIGCONT)})
    assert bench.asked(bench.a) == [stop], "it is paused: the end of a throttle's stop is none of that"
    pause.end(bench.stage)
    assert bench.asked(bench.a) == [go_on]
    child: Any = bench.a.child
    assert child.signals == [signal.SIGCONT]
    bench.reactor.advance(0.005)
    bench.reactor.advance(0.02)
    assert bench.asked(bench.a) == [stop, go_on]
    throttle.end(bench.stage)
    bench.reactor.advance(1)
    assert bench.asked(bench.a) == []


def test_faults_of_disks_are_told_and_their_effect_is_known(bench: Bench) -> None:
    sync = disks.SyncFails("a", 2)
    sync.begin(bench.stage)
    assert bench.asked(bench.a) == [("set", {"syncs_to_fail": 2})]
    bench.a.machine.said({"refusals": 1, "syncs_to_fail": 1})
    assert bench.a.disk_has_refused
    assert sync.end(bench.stage)
    assert bench.asked(bench.a) == [("set", {"syncs_to_fail": 0}), ("kill", {})]
    writes = disks.WritesFail("b")
    writes.begin(bench.stage)
    writes.end(bench.stage)
    told = [fields for do, fields in bench.asked(bench.b) if do == "set"]
    assert told == [{"fails_to": ["write"]}, {"fails_to": []}]
    disks.DiskStall("b", 500).begin(bench.stage)
    (_, fields), *_ = bench.asked(bench.b)
    assert 490 <= fields["stall_ms"] <= 500  # type: ignore[operator]


def test_faults_of_links_go_to_the_network(bench: Bench) -> None:
    network: Any = bench.world.network
    cut, slow = links.Cut("a", "clients"), links.Slow("a", "b", 5000, 10, 7)
    for fault in (cut, slow):
        fault.begin(bench.stage)
        fault.end(bench.stage)
    links.Reset("a", "b").begin(bench.stage)
    links.Partition([["a"], ["b"]], False).begin(bench.stage)
    slowness = Slowness(5_000_000, 10_000, 7)
    assert network.done == [
        ("cut", "a", "clients"), ("mend", "a", "clients"), ("slow", "a", "b", slowness), ("calm", "a", "b"),
        ("reset", "a", "b"), ("cut", "a", "b"), ("cut", "b", "a"),
    ]  # fmt: skip


def test_a_rough_link_is_smooth_again_of_what_made_it_so(bench: Bench) -> None:
    network: Any = bench.world.network
    rough = (
        (links.Duplication("a", "b", 100), Roughness(duplicated_per_mille=100)),
        (links.Reordering("a", "b", 10, 5000), Roughness(reordered_per_mille=10, late_ns=5_000_000)),
        (links.Bandwidth("a", "b", 64_000), Roughness(bits_per_s=64_000)),
    )
    for fault, roughness in rough:
        fault.begin(bench.stage)
        fault.end(bench.stage)
        assert network.done == [("roughen", "a", "b", roughness), ("smooth", "a", "b", roughness)]
        network.done.clear()


def test_a_signal_and_what_it_has_ended_is_started(bench: Bench) -> None:
    fault = processes.Signal("a", "SIGHUP")
    assert fault.begin(bench.stage)
    assert bench.asked(bench.a) == [("signal", {"number": int(signal.SIGHUP)})]
    fault.end(bench.stage)
    assert bench.launched == ["a", "b"], "it has taken the signal for something, and runs"
    fault.begin(bench.stage)
    bench.end(bench.a)
    fault.end(bench.stage)
    assert bench.launched == ["a", "b", "a"]


def test_what_waits_for_programs_there_goes_on_with_them(bench: Bench) -> None:
    """nsenter stops with the program that it waits for: with a test command on that machine, too."""
    guest: Any = Child()
    bench.a.guests.add(guest)
    pause = processes.Pause("a")
    pause.begin(bench.stage)
    pause.end(bench.stage)
    assert guest.signals == [signal.SIGCONT]
    processes.Kill("a").begin(bench.stage)
    assert guest.signals == [signal.SIGCONT, signal.SIGCONT]


def test_what_a_stop_has_ended_counts_as_ended_with_the_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 77)
    processes.Stop("a").begin(bench.stage)
    assert (bench.a.stopped_ns, bench.a.killed_ns) == (77, 0)


def test_whoever_was_to_be_started_again_stays_down_for_a_kill(bench: Bench) -> None:
    bench.end(bench.a)
    fault = processes.Kill("a")
    fault.begin(bench.stage)
    bench.reactor.advance(60)
    assert bench.launched == ["a", "b"]
    fault.end(bench.stage)
    assert bench.launched == ["a", "b", "a"]


def test_a_clock_keeps_what_it_has_gained(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jumps and drifts add up, and a drift that is over stays in what the clock shows."""
    now_ns = 1_800_000_000 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)

    def shown() -> tuple[int, ...]:
        off_ns, since_ns, ppm, check = struct.unpack("=4q", (tmp_path / "a.clock").read_bytes())
        assert check == off_ns ^ since_ns ^ ppm
        return off_ns, ppm

    jump, drift = processes.ClockJump("a", -30), processes.ClockDrift("a", 100_000)
    jump.begin(bench.stage)
    assert shown() == (-30 * 10**9, 0)
    drift.begin(bench.stage)
    now_ns += 10 * 10**9
    jump.end(bench.stage)
    assert shown() == (0, 100_000)
    drift.end(bench.stage)
    assert shown() == (10**9, 0)


def test_a_program_that_has_the_real_time_is_named_once(bench: Bench) -> None:
    machine: Any = bench.a.machine
    machine.without_library = ["ntpd"]
    jump = processes.ClockJump("a", -30)
    jump.begin(bench.stage)
    jump.end(bench.stage)
    processes.ClockDrift("b", 1000).begin(bench.stage)
    assert bench.troubles == ["a: ntpd has the real time: it does not load what sets clocks"]


def test_who_ends_by_himself_is_told_of_and_started_again_later_each_time(bench: Bench) -> None:
    waits_s = []
    for _ in range(6):
        bench.end(bench.a)
        before = len(bench.launched)
        waited_s = 0.0
        while len(bench.launched) == before:
            bench.reactor.advance(RESTART_AFTER_S / 2)
            waited_s += RESTART_AFTER_S / 2
        waits_s.append(waited_s)
    assert bench.by_themselves == ["a"] * 6
    assert waits_s == [0.5, 1, 2, 4, 8, 8]


class TestPlans:
    def planned(self, *faults: Planned) -> str:
        return encode_plan(Plan("7", LAYOUT, Environment(1, 0, False, 0, 1), Habits(), faults, "as it is"))

    def test_a_plan_of_any_system(self) -> None:
        means = Means()
        faults = [Planned(5, 10, processes.Kill("a")), Planned(7, 10, links.Cut("clients", "b"))]
        text = self.planned(*faults)
        assert decode_faults(text, means.kinds(), means.refusals(), LAYOUT) == faults

    def test_what_cannot_be_done_is_refused_when_it_is_read(self) -> None:
        means = Means(no_disks="mfusepy is missing")
        for fault, said in (
            (processes.ThreadsPaused("a"), "threads paused: it cannot be done here: the threads of a real process"),
            (processes.PowerLoss("a"), "power loss: it cannot be done here: mfusepy is missing"),
            (processes.Kill("c"), "kill: 'c' is not one of a, b, clients"),
        ):
            with pytest.raises(PlanInvalid, match=said):
                decode_faults(self.planned(Planned(0, 0, fault)), means.kinds(), means.refusals(), LAYOUT)

    @pytest.mark.parametrize(
        "text", ["x", "[]", "{}", json.dumps({"faults": 3}), json.dumps({"faults": [{"at_ms": 1}]})]
    )
    def test_what_is_no_plan(self, text: str) -> None:
        with pytest.raises(PlanInvalid):
            decode_faults(text, Means().kinds(), {}, LAYOUT)

    def test_every_kind_is_done_or_refused(self) -> None:
        means = Means("no disks", "no clocks")
        done = {kind.kind for kind in means.kinds()}
        assert done | set(means.refusals()) == {kind.kind for kind in (*FAULTS, *ASKED_FOR)}
        assert not done & set(means.refusals())
        assert {"kill", "stop", "pause", "throttle", "cut", "partition", "jam", "slow", "reset", "clog"} <= done


class TestNemesis:
    @pytest.fixture
    def nemesis(self, bench: Bench, tmp_path: Path) -> PlannedNemesis:
        faults = [Planned(2000, 1000, processes.Pause("b")), Planned(1000, 5000, links.Cut("a", "b"))]
        self.well = 0

        async def until_well() -> None:
            self.well += 1

        return PlannedNemesis(bench.reactor, bench.stage, faults, until_well, tmp_path, Watcher())

    def pass_time(self, bench: Bench, seconds: float) -> None:
        bench.reactor.pump([0.02] * round(seconds / 0.02))

    @pytest.mark.parametrize(
        ("fault", "whom"),
        [
            (processes.ClockJump("a", 30), ["a"]),
            (processes.Pause("b"), ["b"]),
            (links.Cut("clients", "b"), ["clients", "b"]),
            (processes.Blackout(), ["a", "b"]),
        ],
    )
    def test_whom_a_fault_is_done_to(
        self, bench: Bench, nemesis: PlannedNemesis, tmp_path: Path, fault: Fault, whom: list[str]
    ) -> None:
        """A clock that jumps troubles nobody, and has a machine all the same."""
        nemesis.start()
        nemesis.strike(fault, 500)
        self.pass_time(bench, 0.6)
        assert [list(each.members) for each in read_faults(tmp_path)] == [whom]
        told = [json.loads(line)["fault"]["affected_nodes"] for line in (tmp_path / EVENTS).read_text().splitlines()]
        assert told == [whom, whom]

    def test_faults_come_at_their_times_and_are_written_down(
        self, bench: Bench, nemesis: PlannedNemesis, tmp_path: Path
    ) -> None:
        network: Any = bench.world.network
        nemesis.start()
        self.pass_time(bench, 0.9)
        assert network.done == []
        self.pass_time(bench, 0.2)
        assert network.done == [("cut", "a", "b")]
        self.pass_time(bench, 2.5)
        assert [each.kind for each in read_faults(tmp_path)] == ["pause"]
        ended = Deferred.fromCoroutine(nemesis.stop())
        self.pass_time(bench, 0.1)
        assert ended.called
        assert network.done == [("cut", "a", "b"), ("mend", "a", "b"), ("heal",)]
        assert [each.kind for each in read_faults(tmp_path)] == ["pause", "cut"]
        events = [json.loads(line)["fault"]["name"] for line in (tmp_path / EVENTS).read_text().splitlines()]
        assert events == ["partition", "pause", "restore", "restore"]
        assert self.well == 1

    def test_a_quiet_period_before_faults_are_due_shifts_nothing_that_was_before(
        self, bench: Bench, nemesis: PlannedNemesis
    ) -> None:
        network: Any = bench.world.network
        quiet = Deferred.fromCoroutine(nemesis.quiet(5))
        assert quiet.called
        self.pass_time(bench, 4)
        nemesis.start()
        self.pass_time(bench, 1.9)
        assert ("cut", "a", "b") not in network.done
        self.pass_time(bench, 0.3)
        assert ("cut", "a", "b") in network.done, "one second of quiet was behind the beginning"

    def test_a_quiet_period_shifts_what_is_to_come(self, bench: Bench, nemesis: PlannedNemesis) -> None:
        network: Any = bench.world.network
        nemesis.start()
        self.pass_time(bench, 1.1)
        quiet = Deferred.fromCoroutine(nemesis.quiet(10))
        assert quiet.called
        assert network.done[-2:] == [("mend", "a", "b"), ("heal",)]
        bench.asked(bench.b)
        self.pass_time(bench, 9.5)
        assert bench.asked(bench.b) == []
        self.pass_time(bench, 1.6)
        assert bench.asked(bench.b) == [("signal", {"number": int(signal.SIGSTOP)})]
        nemesis.abandon()

    def test_quiet_periods_may_overlap(self, bench: Bench, nemesis: PlannedNemesis) -> None:
        """And faults go on when the last one is over."""
        nemesis.start()
        Deferred.fromCoroutine(nemesis.quiet(1))
        Deferred.fromCoroutine(nemesis.quiet(3))
        bench.asked(bench.b)
        self.pass_time(bench, 4.9)
        assert bench.asked(bench.b) == []
        self.pass_time(bench, 0.3)
        assert bench.asked(bench.b) == [("signal", {"number": int(signal.SIGSTOP)})]
        nemesis.abandon()


class TestEvents:
    """Faults as Antithesis's fault injector tells of them."""

    def told(self, fault: Fault, *nodes: str) -> dict[str, Any]:
        told = began(Planned(0, 2500, fault), nodes, 1.5)
        assert told["source"] == {"name": "fault_injector"}
        assert told["moment"] == {"vtime": 1.5}
        assert told["fault"]["max_duration"] == 2.5
        assert json.loads(json.dumps(told)) == told
        found: dict[str, Any] = told["fault"]
        return found

    def test_each_fault_has_its_name_there(self) -> None:
        partition = self.told(links.Partition([["a"], ["b"]], True), "a", "b")
        assert (partition["name"], partition["type"], partition["affected_nodes"]) == (
            "partition",
            "network",
            ["a", "b"],
        )
        assert partition["details"] == {"partitions": [["a"], ["b"]], "asymmetric": True}
        clog = self.told(links.Clog("a", "slowed", "in", 5000, 1000, 10), "a")
        assert clog["details"] == {
            "disruption_type": "Slowed",
            "asymmetric": True,
            "latency": {"mean": 0.005, "deviation": 0.001},
            "drop_rate": 0.01,
        }
        assert self.told(processes.ClockJump("a", -30))["details"] == {"offset": -30}
        assert self.told(processes.PowerLoss("a"), "a")["details"] == {"kind": "power loss"}
        assert self.told(disks.DiskFull("a"), "a")["type"] == "disk"

    def test_every_kind_is_told(self) -> None:
        rng = RandomStream("0")
        known = {"partition", "clog", "kill", "stop", "pause", "throttle", "skip"}
        for kind in Means().kinds():
            told = self.told(kind.draw(rng, LAYOUT))
            assert told["name"] in {*known, kind.kind}
            assert told["type"] in {"network", "node", "clock", "disk"}

    def test_its_end_is_a_restoration(self) -> None:
        told = ended(Planned(0, 10, processes.Pause("a")), ["a"], 3)
        assert told["fault"]["name"] == "restore"
        assert told["fault"]["details"] == {"of": "pause"}
