"""What a control does when: rests of vaults that fail, deadlines of operations, and what it waits for."""

import itertools
from typing import Any

from glitchgrid.lab.register.oracles.contract import OPERATION_TIMEOUT_S
from glitchgrid.lab.register.oracles.wire import GET, Expected, post
from glitchgrid.lab.register.scripted.script import SILENCE, Asked, Reply, Script, said
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs, found, not_taken

RESTS_S = (0.05, 0.1, 0.2, 0.4, 0.5, 0.5)
"""How long a vault is left alone that fails again and again, while the others make a majority."""

EVERY_S = 0.05
RESTS_LATE_S = 0.02
QUESTIONS = 46
LAGS_S = 0.4
LAGS_NOT_S = 0.1
HANGS_S = 0.9
NEXT = 8
WRITES = 20
RECOVERS_S = 0.3
FAILURES = 8
REST_S = 0.6
FAILS_EVERY_S = 0.02


def resting(bench: Bench) -> Problems:
    """One fails each time: it is left alone, longer and longer; once it has answered, all begins anew."""
    for stores in (False, True):
        yield from _rest(bench, stores=stores)
        bench.clear()


def _rest(bench: Bench, *, stores: bool) -> Problems:
    kind = "stores" if stores else "reads"
    fails = Reply(said(500, b""))

    def how(script: Script, asked: Asked) -> Reply | None:
        if stores != (asked.value is not None):
            return None
        return None if len(_times(script, stores=stores)) == len(RESTS_S) + 1 else fails

    scripts = [Script(5), Script(5), Script(5)]
    bench.control(*scripts)
    yield from bench.reads(5)
    scripts[2].how = how
    scripts[2].asked.clear()
    question, answer = (post(b"5"), bench.taken()) if stores else (GET, found(5))
    sends = [(EVERY_S if count else 0.0, question) for count in range(QUESTIONS)]
    yield from bench.says(f"{kind} while one fails", sends, *[answer] * QUESTIONS, at_s=EVERY_S * (QUESTIONS - 1))
    times = _times(scripts[2], stores=stores)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    for number, rest_s in enumerate((*RESTS_S[:-1], None, RESTS_S[0])):
        if number >= len(gaps):
            yield f"{kind}: it was asked at {times} only"
        elif rest_s is not None and not -RESTS_LATE_S < gaps[number] - rest_s < EVERY_S + RESTS_LATE_S:
            yield f"{kind}: rest {number + 1} lasted {gaps[number]:.3f} s, and not {rest_s} s"


def _times(script: Script, *, stores: bool) -> list[float]:
    return [each.at_s for each in script.asked if stores == (each.value is not None)]


def lagging(bench: Bench) -> Problems:
    """One is slower than the others: said when it begins, and again when it begins again."""
    scripts = [Script(5), Script(5), Script(5)]
    bench.control(*scripts)
    bench.wait(1.0)
    for late_s in (LAGS_S, LAGS_S, LAGS_NOT_S, LAGS_S):
        scripts[2].late_s = late_s
        yield from bench.reads(5)
    line = f"vault {bench.others[2].address}:8001 lags 0.4 s behind the others"
    yield from bench.logged(line, line)


def hanging(bench: Bench) -> Problems:
    """One takes its time for a store, and many are committed meanwhile: it is sent the last of them, and no other.

    So with reads: once it has answered the first, the others are over.
    """
    scripts = [Script(5), Script(5), Script(5)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[2].late_s = HANGS_S
    sends = [(0.02 if count else 0.0, post(b"%d" % (7 + count))) for count in range(WRITES)]
    yield from bench.says("many writes", sends, *[bench.taken()] * WRITES, at_s=0.02 * (WRITES - 1))
    yield from differs("the slow one was sent", scripts[2].stores, [7, 6 + WRITES])
    yield from differs("a quick one was sent", scripts[0].stores, list(range(7, 7 + WRITES)))
    scripts[2].asked.clear()
    sends = [(0.02 if count else 0.0, GET) for count in range(WRITES)]
    yield from bench.says("many reads", sends, *[found(6 + WRITES)] * WRITES, at_s=0.02 * (WRITES - 1))
    yield from differs("the slow one was read so often", len(scripts[2].reads), 1)
    yield from differs("it was sent", scripts[2].stores, [])


def late(bench: Bench) -> Problems:
    """One answers a store when the next is under way: it has not heard of that, and is no vote for it."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[2].late_s = HANGS_S
    for script in (scripts[0], scripts[2]):
        script.how = lambda _script, asked: Reply(said(500, b"")) if asked.value == NEXT else None
    sends = [(0.0, post(b"7")), (LAGS_NOT_S, post(b"%d" % NEXT))]
    yield from bench.says("two writes", sends, bench.taken(2), not_taken(1, 3), at_s=HANGS_S)
    yield from differs("the late one was sent", scripts[2].stores, [7, NEXT])


def parked(bench: Bench) -> Problems:
    """Writes that come before the floor is known wait for it, and one below it is never sent."""
    scripts = [Script(5, late_s=RECOVERS_S) for _ in range(3)]
    bench.control(*scripts)
    for script in scripts:
        script.how = lambda script, asked: None if asked.value is None else _at_once(script, asked)
    inquiries = [
        bench.asks(
            "a decrease, at the start",
            [(0.0, post(b"3"))],
            Expected(400, b"Client would make value decrease from 5 to 3"),
            at_s=RECOVERS_S,
        ),
        *(
            bench.asks(f"a write of {value} at the start", [(0.0, post(b"%d" % value))], bench.taken(), at_s=RECOVERS_S)
            for value in (6, 7)
        ),
    ]
    yield from bench.over(*inquiries)
    for script in scripts:
        # The vault that answers the read last may be sent 7 twice: its answer is from before the store.
        yield from differs("a vault was sent", set(script.stores), {7})
        yield from differs("a vault was read so often", len(script.reads), 1)


def declined(bench: Bench) -> Problems:
    """A write that is told at the start that it is a decrease leaves nothing behind."""
    scripts = [Script(5, late_s=RECOVERS_S) for _ in range(3)]
    bench.control(*scripts)
    sends = [(0.0, post(b"3")), (RECOVERS_S, GET)]
    decrease = Expected(400, b"Client would make value decrease from 5 to 3")
    both = bench.asks("a decrease and a read", sends, decrease, found(5), at_s=2 * RECOVERS_S)
    bench.wait(3 * RECOVERS_S, lambda: both.has_answered)
    yield from bench.holds_no_more(7)
    yield from bench.over(both)


def _at_once(script: Script, asked: Asked) -> Reply:
    return Reply(script.usual(asked).data)


def undecided(bench: Bench) -> Problems:
    """Vaults that say nothing: each operation has its answer at its deadline, whatever it waits for."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts, timeout_s=OPERATION_TIMEOUT_S)
    yield from bench.reads(5)
    for script in scripts:
        script.how = lambda _script, _asked: SILENCE
    first = [_read(bench, OPERATION_TIMEOUT_S), _write(bench, 7, OPERATION_TIMEOUT_S)]
    bench.wait(OPERATION_TIMEOUT_S / 2)
    second = [_read(bench, OPERATION_TIMEOUT_S), _write(bench, 8, OPERATION_TIMEOUT_S)]
    yield from bench.over(*first, *second)
    for script in scripts:
        script.how = None
    yield from bench.reads(5)
    yield from bench.writes(9)
    bench.wait(OPERATION_TIMEOUT_S)
    yield from bench.holds_no_more(6)


def _read(bench: Bench, at_s: float) -> Any:
    return bench.asks("a read that nobody answers", [(0.0, GET)], Expected(500, b"-1"), at_s=at_s)


def _write(bench: Bench, value: int, at_s: float) -> Any:
    return bench.asks("a write that nobody answers", [(0.0, post(b"%d" % value))], not_taken(0, 3), at_s=at_s)


def unrecovered(bench: Bench) -> Problems:
    """The floor cannot be recovered: writes are told so with the read that they wait for, and later all is well."""
    scripts = [Script(5, how=lambda _script, _asked: SILENCE) for _ in range(3)]
    bench.control(*scripts, timeout_s=OPERATION_TIMEOUT_S)
    bench.wait(1.0)
    inquiry = _write(bench, 7, OPERATION_TIMEOUT_S - 1.0)
    yield from bench.over(inquiry)
    for script in scripts:
        yield from differs("a vault was sent", script.stores, [])
        script.how = None
    yield from bench.writes(7)
    yield from bench.reads(7)


def failing(bench: Bench) -> Problems:
    """All fail: whoever asks is told so at once, however long they should rest."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    for script in scripts:
        script.how = lambda _script, _asked: Reply(said(500, b""))
    for name, question, answer in (
        ("reads while all fail", GET, Expected(500, b"-1")),
        ("writes while all fail", post(b"7"), not_taken(0, 3)),
    ):
        sends = [(FAILS_EVERY_S if count else 0.0, question) for count in range(FAILURES)]
        at_s = FAILS_EVERY_S * (FAILURES - 1)
        many = bench.asks(name, sends, *[answer] * FAILURES, at_s=at_s)
        bench.wait(at_s + FAILS_EVERY_S)
        yield from differs("the last answer has come", many.has_answered, True)
        one = bench.asks(name, [(0.0, question)], answer)
        bench.wait(FAILS_EVERY_S)
        yield from differs("one more answer has come", one.has_answered, True)
        for script in scripts:
            script.how = lambda _script, _asked: Reply(said(500, b""), FAILS_EVERY_S)
        first = bench.asks(name, [(0.0, question)], answer)
        bench.wait(FAILS_EVERY_S / 2)
        second = bench.asks(name, [(0.0, question)], answer)  # waits for the same vaults, and is asked as they fail
        bench.wait(3 * FAILS_EVERY_S)
        yield from differs("another one has its answer", second.has_answered, True)
        yield from bench.over(many, one, first, second)
        for script in scripts:
            script.how = lambda _script, _asked: Reply(said(500, b""))


def needed(bench: Bench) -> Problems:
    """One rests, and another one fails: without the first there is no majority, and it is asked before its time."""
    for stores in (False, True):
        yield from _needed(bench, stores=stores)
        bench.clear()


def _needed(bench: Bench, *, stores: bool) -> Problems:
    question, answer = (post(b"5"), bench.taken) if stores else (GET, lambda: found(5))
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    scripts[0].how = lambda _script, _asked: Reply(said(500, b""))
    sends = [(REST_S if count else 0.0, question) for count in range(FAILURES)]
    yield from bench.over(first := bench.asks("many", sends, *[answer()] * FAILURES, at_s=REST_S * (FAILURES - 1)))
    bench.wait(REST_S)
    trigger = bench.asks("one more", [(0.0, question)], answer())
    bench.wait(FAILS_EVERY_S)
    yield from differs("one more has its answer", trigger.has_answered and first.has_answered, True)
    scripts[0].how = None
    scripts[1].how = lambda _script, _asked: Reply(said(500, b""), FAILS_EVERY_S)
    scripts[2].late_s = FAILS_EVERY_S
    last = bench.asks("the last", [(0.0, question)], answer())
    bench.wait(3 * FAILS_EVERY_S)
    yield from differs("the last has its answer", last.has_answered, True)
    yield from bench.over(trigger, last)


TIMES = (
    Exercise("a vault that rests", resting),
    Exercise("a vault that lags", lagging),
    Exercise("a vault that hangs", hanging),
    Exercise("a vault that answers late", late),
    Exercise("writes before the floor is known", parked),
    Exercise("a decrease before the floor is known", declined),
    Exercise("operations that nobody decides", undecided),
    Exercise("a floor that cannot be recovered", unrecovered),
    Exercise("vaults that all fail", failing),
    Exercise("a vault that is needed", needed),
)
