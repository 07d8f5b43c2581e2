"""The last minute, as a picture."""

from glitchgrid.lab.picture.model import Tone
from glitchgrid.lab.register.live.clients import Done
from glitchgrid.lab.register.live.memory import MESSAGES_MAX, REMEMBERED_S, Memory
from glitchgrid.lab.register.processes.watch import Look, Process
from glitchgrid.lab.relay.link import Passing
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer, Control, Vault

NS_PER_S = 10**9


def memory() -> Memory:
    return Memory(["control", "vault1"], ["vault1"], 100.0)


def look(shown: int, *, is_up: bool = True) -> Look:
    status = {"value": {"shown": shown, "durable": shown - 1}}
    vault = Vault("vault1", "127.0.0.1:8001", Answer(200, str(shown)), status)
    control = Control("control", "127.0.0.1:8000", Answer(200, str(shown)), {})
    return Look(Grid([control], [vault]), {"control": Process(1), "vault1": Process(2 if is_up else 0)})


def passing(number: int, sent_s: float, arrived_s: float | None = None) -> Passing:
    return Passing("control", "vault1", 1, number, f"POST {number}", "", Tone.PLAIN.value, sent_s, arrived_s)


def test_one_of_everything() -> None:
    remembers = memory()
    remembers.look(look(5), 100)
    remembers.look(look(6), 101)
    remembers.look(look(6), 102)
    remembers.look(look(6, is_up=False), 103)
    for message in (passing(1, 101), passing(2, 102), passing(1, 101, 101.5)):
        remembers.passing(message)
    remembers.done(Done("you", "write", 6, 200, "Sent updates to 1/1 vaults", "", 0.5, 7), 101.5)
    remembers.begins("cut", ["control", "vault1"], "both", 102)
    remembers.ends("cut", ["vault1", "control"], 103)
    remembers.begins("kill", ["vault1"], "", 103)
    remembers.say("you", "kill vault1", 103)
    picture = remembers.picture(104, "It serves.", wrong=[7])

    assert picture.duration_ns == 4 * NS_PER_S
    assert [lane.name for lane in picture.lanes] == ["you", "clients", "control", "vault1"]
    (operation,) = picture.operations
    assert (operation.called_ns, operation.returned_ns) == (1 * NS_PER_S, 1.5 * NS_PER_S)
    assert (operation.outcome, operation.is_wrong, operation.op) == ("ok", True, 7)
    first, second = picture.messages
    assert (first.sent_ns, first.arrived_ns, second.arrived_ns) == (1 * NS_PER_S, 1.5 * NS_PER_S, None)
    assert {(stair.name, tuple(stair.steps)) for stair in picture.stairs} == {
        ("shown", ((0, 5), (NS_PER_S, 6))),
        ("durable", ((0, 4), (NS_PER_S, 5))),
    }
    assert [(life.lane, life.from_ns, life.to_ns) for life in picture.lives] == [
        ("control", 0, None),
        ("vault1", 0, 3 * NS_PER_S),
    ]
    assert [(fault.kind, fault.begin_ns, fault.end_ns) for fault in picture.faults] == [
        ("cut", 2 * NS_PER_S, 3 * NS_PER_S),
        ("kill", 3 * NS_PER_S, 4 * NS_PER_S),
    ]
    assert [line.what for line in picture.trace] == ["kill vault1"]


def test_what_is_old_is_forgotten() -> None:
    remembers = memory()
    for at_s in range(100, 300):
        remembers.look(look(at_s), at_s)
        remembers.passing(passing(at_s, at_s))
        remembers.done(Done("you", "read", None, 200, "5", "", 0.0, at_s), at_s)
        remembers.say("you", "read", at_s)
        remembers.begins("stop", ["vault1"], "", at_s)
        remembers.ends("stop", ["vault1"], at_s + 0.5)
    remembers.forget(300)
    picture = remembers.picture(300, "")
    assert picture.duration_ns == REMEMBERED_S * NS_PER_S
    for remembered in (picture.messages, picture.operations, picture.trace, picture.faults):
        assert len(remembered) == REMEMBERED_S
    assert all(len(stair.steps) <= REMEMBERED_S + 1 for stair in picture.stairs)
    short = remembers.picture(300, "", last_s=10)
    assert (short.duration_ns, len(short.messages), len(short.operations)) == (10 * NS_PER_S, 10, 10)


def test_memory_has_a_limit() -> None:
    remembers = memory()
    for number in range(MESSAGES_MAX + 5):
        remembers.passing(passing(number, 100.0))
    assert len(remembers.picture(101, "").messages) == MESSAGES_MAX
