"""What a control makes of what vaults answer: which answers are votes, and what it sends on account of them.

Each exercise has three vaults, unless it says something else. Condition numbers are those of the register's
correctness.
"""

from collections.abc import Callable
from functools import partial

from glitchgrid.lab.register.oracles.wire import GET, Expected, post
from glitchgrid.lab.register.scripted.script import CLOSED, NO_ANSWER, OPEN, Asked, Reply, Script, said
from glitchgrid.lab.register.scripted.stranger import WAYS
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs, found
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE, IDENTITY_HEADER

VALUE_MAX = 10
TIMEOUT_S = 1.0
WAYS_EACH = 8
BODY_BYTES = 64
WRITES_TOGETHER = 6
TAKES_S = 0.1
ROUNDS = (2, 3)
"""How many requests six operations take that come together: one that goes at once, and one for the others."""

HELD = 5
CONNECTIONS = 2

_NO_NUMBER = "its answer is no number"
_TOO_LONG = "its body is too long"
_NAMELESS = "its identity is malformed"
_CLOSED = "it closed the connection without an answer; does it want TLS?"

REASONS = {
    "no number": _NO_NUMBER,
    "a sign": _NO_NUMBER,
    "too long": _TOO_LONG,
    "far too long": _TOO_LONG,
    "too large": _NO_NUMBER,
    "cut": "its answer breaks off",
    "without a length": "nothing tells where its body ends",
    "without a length, broken": "Connection",
    "two names": _NAMELESS,
    "a name that is none": _NAMELESS,
    "failed": "it answered 500",
    "found elsewhere": "it answered 302",
    "created": "it answered 201",
    "silence": "no whole answer within 1 s",
    "no answer": _CLOSED,
    "no HTTP": "its answer is no HTTP",
}
"""What is logged of a stranger that answers in one of its ways, by its beginning."""


ENDS_WELL = {"without a length"}
"""Ways whose answer ends where its connection ends: closing that breaks nothing off, so nothing is asked again."""


def agreeing(bench: Bench) -> Problems:
    """All hold one value: nothing is stored but what clients write, and each value once."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts, value_max=VALUE_MAX)
    bench.wait(1.0)
    yield from bench.reads(5)
    yield from bench.says("a decrease", [(0.0, post(b"4"))], _decrease(5, 4))
    yield from bench.writes(5)
    yield from bench.writes(VALUE_MAX)
    yield from bench.says(
        "more than it takes",
        [(0.0, post(b"11"))],
        Expected(400, b"Value 11 is above 10, the largest that this control takes"),
    )
    yield from bench.reads(VALUE_MAX)
    for script in scripts:
        yield from differs("a vault was sent", script.stores, [5, VALUE_MAX])
        yield from differs("stores without the guard", [each for each in script.asked if not _is_right(each)], [])
        # The recovery of the floor, and two clients.
        yield from differs("a vault was read so often", len(script.reads), 3)
        yield from differs("more than a connection for reads and one for stores", script.open > CONNECTIONS, False)
    yield from bench.logged()
    yield from bench.holds_no_more(6)


def _is_right(asked: Asked) -> bool:
    return asked.is_guarded == (asked.value is not None)


def _decrease(floor: int, value: int) -> Expected:
    return Expected(400, b"Client would make value decrease from %d to %d" % (floor, value))


def behind(bench: Bench) -> Problems:
    """One holds less than the others: it is sent what they have, once; so are all that lack what one alone has."""
    for held in ((5, 5, 3), (5, 3, 3), (3, 5, 5)):
        # Those that have it answer first: without them 3 would be as good an answer.
        scripts = [
            Script(value, late_s=0.0 if value == HELD else 0.01 * (1 + place)) for place, value in enumerate(held)
        ]
        bench.control(*scripts)
        yield from bench.reads(5)
        yield from bench.reads(5)
        for script, before in zip(scripts, held, strict=True):
            sent = set() if before == HELD else {HELD}
            yield from differs(f"of {held}, one that held {before} was sent", set(script.stores), sent)
        yield from bench.logged()
        bench.clear()


def larger(bench: Bench) -> Problems:
    """Somebody else has written more: a refusal that tells it acknowledges a store, and the larger value is read."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    for script in scripts:
        script.value = 9
    yield from bench.says("a write of 7", [(0.0, post(b"7"))], bench.taken())
    yield from bench.reads(9)
    yield from bench.logged()
    for script in scripts:
        yield from differs("a vault was sent", script.stores, [7])


def _wrong(bench: Bench, how: Callable[[Script, Asked], bytes | None], reason: str) -> Problems:
    """Two vaults answer stores in this way, and acknowledge none."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    for script in scripts[1:]:
        script.how = lambda script, asked: (
            None if asked.value is None or (data := how(script, asked)) is None else Reply(data)
        )
    yield from bench.fails_to_write(7, 1)
    yield from bench.logged(*(f"vault {machine.address}:8001 fails: {reason}" for machine in bench.others[1:]))
    for script in scripts[1:]:
        script.how = None
    yield from bench.reads(7, 5)  # one may have it
    yield from bench.writes(8)


def refusing(bench: Bench) -> Problems:
    """A refusal by a vault that holds less than it was sent acknowledges nothing (condition 5)."""
    yield from _wrong(
        bench, lambda script, asked: script.says(412, b"6", asked), "it was sent 7 and answered 412 with 6"
    )


def echoing(bench: Bench) -> Problems:
    """A success that echoes another value acknowledges nothing, either."""
    yield from _wrong(
        bench, lambda script, asked: script.says(200, b"8", asked), "it was sent 7 and answered 200 with 8"
    )


def equal(bench: Bench) -> Problems:
    """A refusal that tells just the value acknowledges it."""
    scripts = [Script(5, how=_refuses_what_it_has) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.writes(7)
    yield from bench.reads(7)
    yield from bench.logged()


def _refuses_what_it_has(script: Script, asked: Asked) -> Reply | None:
    if asked.value is None:
        return None
    script.value = max(script.value, asked.value)
    return Reply(script.says(412, b"%d" % script.value, asked))


def strange(bench: Bench) -> Problems:
    """Two of three answer as no vault does: nothing that they say counts, and the log says why."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    value = 5
    names = sorted(WAYS)
    for count in range(WAYS_EACH):
        name = names[(bench.number * WAYS_EACH + count) % len(names)]
        data, then = WAYS[name]
        for script in scripts[1:]:
            script.how = lambda _script, _asked, data=data, then=then: Reply(data, 0.0, then)
        at_s = TIMEOUT_S if name == "silence" else 0.0
        for script in scripts:
            script.asked.clear()
        value += 1
        yield from _named(name, bench.fails_to_read(at_s))
        yield from _named(name, bench.fails_to_write(value, 1, at_s))
        for script in scripts[1:]:
            # What breaks a connection is asked again on a fresh one, and nothing else is.
            times = 2 if then != OPEN and name not in ENDS_WELL else 1
            yield from _named(name, differs("it was asked so often", len(script.asked), 2 * times))
        yield from _named(name, bench.logged(
            *(f"vault {machine.address}:8001 fails: {REASONS[name]}" for machine in bench.others[1:])
        ))  # fmt: skip
        for script in scripts[1:]:
            script.how = None
        yield from _named(name, bench.reads(*range(5, value + 1)))
        yield from bench.logged(*(f"vault {machine.address}:8001 answers again" for machine in bench.others[1:]))
        yield from bench.holds_no_more(6)


def _named(name: str, problems: Problems) -> Problems:
    for problem in problems:
        yield f"{name}: {problem}"


def tolerated(bench: Bench) -> Problems:
    """What counts although our vaults answer otherwise: no name, an end with an HTTP/1.0 connection, padding."""
    for how in (_without_a_name, _to_its_end, _padded):
        scripts = [Script(5, how=how) for _ in range(3)]
        bench.control(*scripts)
        for problem in (*bench.reads(5), *bench.writes(7), *bench.reads(7), *bench.logged()):
            yield f"{how.__name__}: {problem}"
        bench.clear()


def _without_a_name(script: Script, asked: Asked) -> Reply:
    script.name = None
    return script.usual(asked)


def _fields(script: Script) -> list[tuple[bytes, bytes]]:
    return [(IDENTITY_HEADER, script.name or b"-"), (GUARD_HEADER, GUARD_INCREASE)]


def _to_its_end(script: Script, asked: Asked) -> Reply:
    script.usual(asked)
    return Reply(said(200, b"%d" % script.value, *_fields(script), version=b"HTTP/1.0", has_length=False), 0.0, CLOSED)


def _padded(script: Script, asked: Asked) -> Reply:
    """As long as a body may be."""
    script.usual(asked)
    return Reply(said(200, (b"%d" % script.value).rjust(BODY_BYTES), *_fields(script)))


def doubled(bench: Bench) -> Problems:
    """Two addresses lead to one vault: it has one vote (condition 6), and the log says so."""
    scripts = [Script(5, b"same"), Script(5, b"same"), Script(5)]
    bench.control(*scripts)
    yield from bench.reads(5)
    yield from bench.says("a write of 7", [(0.0, post(b"7"))], bench.taken(2))
    first, second = (f"{machine.address}:8001" for machine in bench.others[:2])
    whole = [f"{one} and {other} are one vault (same)" for one, other in ((first, second), (second, first))]
    yield from bench.logged(
        next((line for line in whole if any(each.startswith(line) for each in bench.log)), whole[0])
    )
    scripts[0].how = lambda script, _asked: Reply(said(500, b"")) if len(script.reads) % 2 == 0 else None
    for _ in range(4):
        yield from bench.reads(7)
    yield from differs("it was said once more", any("are one vault" in line for line in bench.log), False)
    scripts[0].how = None
    scripts[2].how = lambda _script, _asked: NO_ANSWER
    yield from bench.fails_to_read()
    yield from bench.fails_to_write(8, 1)


def lost(bench: Bench) -> Problems:
    """All have forgotten what was committed: it is said, and they are told again."""
    scripts = [Script(9) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(9)
    for script in scripts:
        script.value = 5
    yield from bench.reads(9)
    yield from bench.logged("a majority of the vaults holds at most 5, but 9 was committed: a vault has lost data")
    yield from differs("they hold", [script.value for script in scripts], [9, 9, 9])


def unguarded(bench: Bench) -> Problems:
    """A vault does not know the guard: said once."""
    scripts = [Script(5), Script(5), Script(5, how=_ignores_the_guard)]
    bench.control(*scripts)
    yield from bench.writes(7)
    yield from bench.writes(8)
    yield from bench.logged(f"vault {bench.others[2].address}:8001 ignores the guard")


def _ignores_the_guard(script: Script, asked: Asked) -> Reply:
    script.usual(asked)
    return Reply(said(200, b"%d" % script.value, (IDENTITY_HEADER, script.name or b"-")))


def broken(bench: Bench) -> Problems:
    """A kept connection breaks as it is used: the question is asked again, on a fresh one, and once."""
    scripts = [Script(5, how=lambda _script, asked: None if asked.first else NO_ANSWER) for _ in range(3)]
    bench.control(*scripts)
    for _ in range(2):
        yield from bench.reads(5)
    yield from bench.writes(7)
    yield from bench.logged()
    for script in scripts:
        script.how = None
    yield from bench.reads(7)
    for script in scripts:
        script.how = lambda _script, _asked: NO_ANSWER
        script.asked.clear()
    yield from bench.fails_to_read()
    for script in scripts:
        # Over the kept one, over a fresh one, and no more.
        yield from differs("a read came so often", len(script.reads), 2)
    yield from bench.logged(*(f"vault {machine.address}:8001 fails: {_CLOSED}" for machine in bench.others))


def silent(bench: Bench) -> Problems:
    """Nobody answers: that is no reason to ask again, and the connections are not kept."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    yield from bench.reads(5)
    for script in scripts:
        script.asked.clear()
        script.how = lambda _script, _asked: Reply(b"")
    yield from bench.fails_to_read(TIMEOUT_S)
    for script in scripts:
        yield from differs("a read came so often", len(script.reads), 1)
        yield from differs("connections were left by control", script.ended, 1)
        yield from differs("connections are open", script.open, 0)
    yield from bench.holds_no_more(0)


def endless(bench: Bench) -> Problems:
    """An answer never ends: control leaves its connection once it is longer than an answer may be."""
    scripts = [Script(5), Script(5), Script(5, how=_never_ends)]
    bench.control(*scripts)
    yield from bench.reads(5)
    yield from differs("connections are open", scripts[2].open, 0)
    yield from bench.logged(f"vault {bench.others[2].address}:8001 fails: {_TOO_LONG}")


def _never_ends(script: Script, asked: Asked) -> Reply:
    head, _, _ = script.says(200, b"", asked).partition(b"Content-Length")
    return Reply(head + b"Content-Length: 1000\r\n\r\n" + b"5".rjust(BODY_BYTES + 1))


def together(bench: Bench) -> Problems:
    """Operations that come while vaults are busy share the next request, and a majority decides for all of them."""
    scripts = [Script(5, late_s=TAKES_S) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    reads = [bench.asks("a read", [(0.0, GET)], found(5), at_s=TAKES_S) for _ in range(WRITES_TOGETHER)]
    yield from bench.over(*reads)
    for script in scripts:
        yield from differs("a vault was read so often", len(script.reads) in ROUNDS, True)
    writes = [
        bench.asks(f"a write of {value}", [(0.0, post(b"%d" % value))], bench.taken(), at_s=TAKES_S)
        for value in range(10, 10 + WRITES_TOGETHER)
    ]
    yield from bench.over(*writes)
    for script in scripts:
        yield from differs("a vault was sent so many", len(script.stores) in ROUNDS, True)
        yield from differs("the largest was", max(script.stores), 10 + WRITES_TOGETHER - 1)


def missed(bench: Bench) -> Problems:
    """One has missed a store: it is sent the value again, whether anybody asks for anything or not."""
    scripts = [Script(5), Script(5), Script(5)]
    bench.control(*scripts)
    yield from bench.reads(5)
    scripts[2].how = lambda script, _asked: None if len(script.stores) > 1 else Reply(said(500, b""))
    yield from bench.writes(7)
    yield from differs("it was sent", scripts[2].stores, [7, 7])
    yield from differs("another one was sent", scripts[0].stores, [7])
    yield from bench.reads(7)
    yield from differs("it was sent", scripts[2].stores, [7, 7])


def healing(bench: Bench) -> Problems:
    """A read stores its value where it is lacking. One vault fails; one that has yet to answer the read stores it."""
    scripts = [Script(3), Script(3, late_s=0.01, how=_stores_fail), Script(3, late_s=0.1)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[0].value = 5
    yield from bench.reads(5)
    yield from differs("they hold", [script.value for script in scripts], [5, 3, 5])


def _stores_fail(_script: Script, asked: Asked) -> Reply | None:
    return None if asked.value is None else Reply(said(500, b""))


def outgrown(bench: Bench) -> Problems:
    """A vault has got more than the read brings it: the read stores that where it is lacking, and returns it."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[0].value = 7
    scripts[2].late_s = TAKES_S  # the read is heard of by the other two

    def how(script: Script, asked: Asked) -> None:
        if asked.value is not None:
            script.value = 9

    scripts[1].how = how
    yield from bench.reads(9)
    bench.wait(1.0)
    yield from differs("who held 7 was sent", scripts[0].stores, [9])
    yield from differs("who had got 9 was sent", scripts[1].stores, [7])
    yield from differs("who held 5 was sent in the end", scripts[2].stores[-1:], [9])


def overtaken(bench: Bench) -> Problems:
    """A read wants to store what one alone has, and a write of more is committed meanwhile: that is what it returns."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[2].late_s = 4 * TAKES_S
    scripts[0].how = partial(_takes_its_time, 7, TAKES_S)
    scripts[1].how = partial(_takes_its_time, 5, 2 * TAKES_S)  # the last that it takes
    write = bench.asks("a write", [(0.0, post(b"9"))], bench.taken(2), at_s=2 * TAKES_S)
    bench.wait(TAKES_S / 10)
    yield from bench.over(write, bench.asks("a read", [(0.0, GET)], found(9), at_s=2 * TAKES_S))
    bench.wait(1.0)
    for script in scripts:
        yield from differs("a vault was sent", script.stores, [9])


def _takes_its_time(holds: int, late_s: float, script: Script, asked: Asked) -> Reply:
    """A store is answered late. What is read meanwhile is always the same."""
    if asked.value is None:
        return Reply(script.says(200, b"%d" % holds, asked))
    return Reply(script.usual(asked).data, late_s)


def overtaking(bench: Bench) -> Problems:
    """A vault that holds 8 helps to commit a write of 2: a read that has heard of the 2 must return the 8."""
    scripts = [Script(0) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    scripts[1].late_s = 10 * TAKES_S
    scripts[2].how = lambda script, asked: (
        Reply(script.says(200, b"2", asked), 2 * TAKES_S) if asked.value is None else None
    )
    read = bench.asks("a read", [(0.0, GET)], found(8), at_s=2 * TAKES_S)
    bench.wait(TAKES_S / 2)
    scripts[0].value = 8
    yield from bench.over(bench.asks("a write", [(0.0, post(b"2"))], bench.taken(2)), read)


def unknown(bench: Bench) -> Problems:
    """There is no such name: that is known at once."""
    scripts = [Script(5) for _ in range(3)]
    names = ("nobody1", "nobody2")
    bench.control(*scripts, by_name=True, names=names)
    yield from bench.fails_to_read()
    why = "DNS lookup failed: no address is known for"
    yield from bench.logged(*(f"vault {name}:8001 fails: {why} {name}" for name in names))


ANSWERS = (
    Exercise("vaults that agree", agreeing),
    Exercise("vaults that are behind", behind),
    Exercise("vaults that hold more", larger),
    Exercise("refusals that acknowledge nothing", refusing),
    Exercise("echoes of something else", echoing),
    Exercise("refusals of what they hold", equal),
    Exercise("strange answers", strange),
    Exercise("tolerated answers", tolerated),
    Exercise("two addresses of one vault", doubled, frozenset({"control: two addresses lead to one vault"})),
    Exercise("vaults that have forgotten", lost, frozenset({"control: a majority holds less than was committed"})),
    Exercise("a vault without the guard", unguarded, frozenset({"control: a vault ignores the guard"})),
    Exercise("connections that break", broken),
    Exercise("silent vaults", silent),
    Exercise("an answer without end", endless),
    Exercise("operations that share", together),
    Exercise("a store that one misses", missed),
    Exercise("a read that heals", healing),
    Exercise("a read that is outgrown", outgrown),
    Exercise("a read that a write overtakes", overtaken),
    Exercise("a write that is overtaken", overtaking),
    Exercise("names of nobody", unknown),
)
