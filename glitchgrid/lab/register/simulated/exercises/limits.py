"""What a server refuses because it is too much. Most limits are smaller here than servers have them."""

from glitchgrid.http import face, intake
from glitchgrid.lab.register.oracles.contract import LINGER_S, PIPELINED_MAX, TURNED_AWAY_MAX
from glitchgrid.lab.register.oracles.wire import BAD, GET, Expected, post
from glitchgrid.lab.register.scripted.script import Script
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs, found
from glitchgrid.register import atomic
from glitchgrid.simulation import connection
from glitchgrid.storage import store

LIMIT = 2
TAKES_S = 0.5
TURNED_S = 0.02
REST = 5
HANGS_S = 6.0
LEFT_S = 1.5
MANY = 250
BYTES = 2048
LISTENS_S = 1.5
ANSWERED_MAX = 60
"""So many answers fit into all buffers on the way, and they are many fewer than are asked for."""

_TOO_MANY_OPERATIONS = Expected(503, b"Too many operations")
_TOO_MANY_CONNECTIONS = Expected(503, b"Too many connections", is_refusal=True)


def connections(bench: Bench) -> Problems:
    """One connection too many is told so, and ended; as soon as one has left there is room again.

    Of those that are told so there may not be too many either: whoever comes then is left without a word.
    """
    bench.vault()
    bench.let_in(LIMIT)
    with bench.allowed(face, "TURNED_AWAY_MAX", 1):
        first = [bench.asks(f"client {number}", [(0.0, GET)], found(0)) for number in range(LIMIT)]
        bench.wait(TURNED_S)
        # It does not listen at first, and so it is there for a while.
        late = bench.asks(
            "one too many",
            [(0.0, b"")],
            _TOO_MANY_CONNECTIONS,
            at_s=TAKES_S,
            closes=True,
            listens_after_s=TAKES_S,
        )
        bench.wait(TURNED_S)
        later = bench.asks("two too many", [(0.0, b"")], closes=True)
        yield from bench.over(*first, late, later)
        bench.wait(TURNED_S)
        again = [bench.asks(f"client {number}", [(0.0, GET)], found(0)) for number in range(LIMIT)]
        bench.wait(TURNED_S)
        another = bench.asks("another one too many", [(0.0, b"")], _TOO_MANY_CONNECTIONS, closes=True)
        yield from bench.over(*again, another)
    bench.wait(LINGER_S)
    yield from bench.reads(0)
    yield from bench.holds_no_more(0)


def crowd(bench: Bench) -> Problems:
    """So many are told that they are too many, and no more: the others are left without a word."""
    bench.vault()
    bench.let_in(1)
    first = bench.asks("the first client", [(0.0, GET)], found(0))
    bench.wait(TURNED_S)
    told = [
        bench.asks(
            f"{number} too many",
            [(0.0, b"")],
            _TOO_MANY_CONNECTIONS,
            at_s=TAKES_S,
            closes=True,
            listens_after_s=TAKES_S,
        )
        for number in range(1, TURNED_AWAY_MAX + 1)
    ]
    bench.wait(TURNED_S)
    beyond = bench.asks("one more", [(0.0, b"")], closes=True)
    yield from bench.over(first, *told, beyond)


def pipelined(bench: Bench) -> Problems:
    """A client sends many requests at once: each turn answers so many of them, and then it is the others' turn."""
    bench.vault()
    bench.wait(TURNED_S)
    count = 3 * PIPELINED_MAX + REST
    many = bench.asks("many at once", [(0.0, GET * count)], *[found(0)] * count)
    answered = [0]

    def looks() -> bool:
        """What has been answered after each event: a turn is one."""
        if bench.answered > answered[-1]:
            answered.append(bench.answered)
        return many.is_over

    bench.wait(TAKES_S, looks)
    yield from bench.over(many)
    # The turn in which they come goes on with what is due at once: that is the next part of them.
    expected = [0, 2 * PIPELINED_MAX, 3 * PIPELINED_MAX, count]
    yield from differs("so many were answered, turn by turn", answered, expected)


def operations(bench: Bench) -> Problems:
    """One operation too many is told so at once, and there is room again as each one ends."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts)
    bench.wait(1.0)
    with bench.allowed(atomic, "OPERATIONS_MAX", LIMIT):
        for body in (b"3", b"4"):
            yield from bench.says("a decrease", [(0.0, post(body))], Expected(400, _decrease(body)))
        for script in scripts:
            script.late_s = TAKES_S
        taken = [
            bench.asks("the first read", [(0.0, GET)], found(5, 7), at_s=TAKES_S),
            bench.asks("the first write", [(0.0, post(b"7"))], bench.taken(), at_s=TAKES_S),
        ]
        bench.wait(TAKES_S / 2)
        late = [
            bench.asks("a read too many", [(0.0, GET)], _TOO_MANY_OPERATIONS),
            bench.asks("a write too many", [(0.0, post(b"9"))], _TOO_MANY_OPERATIONS),
        ]
        bench.wait(TAKES_S / 4)
        yield from differs("they have their answers", [inquiry.has_answered for inquiry in late], [True, True])
        yield from bench.over(*taken, *late)
        yield from bench.says("a read", [(0.0, GET)], found(7), at_s=TAKES_S)
    for script in scripts:
        yield from differs("a vault was sent", set(script.stores), {7})


def _decrease(body: bytes) -> bytes:
    return b"Client would make value decrease from 5 to " + body


def stores(bench: Bench) -> Problems:
    """One store too many is told so at once, and is not stored."""
    bench.vault()
    yield from bench.reads(0)
    bench.stall(TAKES_S)
    with bench.allowed(store, "WAITING_STORES_MAX", LIMIT):
        taken = [
            bench.asks(f"store {value}", [(0.0, post(b"%d" % value))], found(value), at_s=TAKES_S)
            for value in range(1, LIMIT + 2)  # one of them is under way, and the others wait
        ]
        bench.wait(TAKES_S / 4)
        late = bench.asks("a store too many", [(0.0, post(b"9"))], Expected(503, b"Store is busy"))
        bench.wait(TAKES_S / 4)
        yield from differs("it has its answer", late.has_answered, True)
        yield from bench.over(*taken, late)
    yield from bench.reads(*range(1, LIMIT + 2))  # the last of them that came


def leaving(bench: Bench) -> Problems:
    """Clients of a vault leave while their stores hang: their timers go with them, and the stores are kept."""
    bench.vault()
    yield from bench.reads(0)
    bench.stall(HANGS_S)
    yield from bench.over(*(bench.asks(f"store {value}", [(0.0, post(b"%d" % value))]) for value in (7, 8)))
    bench.wait(LEFT_S)
    yield from differs("timers", bench.timers, 0)
    bench.wait(HANGS_S)
    yield from bench.reads(7, 8)
    yield from bench.holds_no_more(0)


def refusing(bench: Bench) -> Problems:
    """Behind a refusal nothing is kept: no timer, and no connection but for a moment."""
    bench.vault()
    sends = [(0.0, b"GE"), (TAKES_S, b"T / HTTP/1.1\r\n\r\n")]
    bad = bench.asks("half a head, and then no Host", sends, BAD, at_s=TAKES_S, closes=True)
    yield from bench.over(bad)
    bench.wait(LINGER_S)
    yield from bench.holds_no_more(0)


def flooding(bench: Bench) -> Problems:
    """A client asks and does not listen: the server takes no more from it than fits, and it gets all once it does."""
    bench.vault()
    yield from bench.reads(0)
    before = bench.answered
    with bench.allowed(connection, "SEND_BUFFER_BYTES", BYTES), bench.allowed(intake, "UNPARSED_BYTES_MAX", BYTES):
        requests = [(0.0, b""), (TAKES_S, GET * MANY)]
        flood = bench.asks("many reads", requests, *[found(0)] * MANY, at_s=LISTENS_S, listens_after_s=LISTENS_S)
        bench.wait(TAKES_S / 2)
        bench.send_little(BYTES)
        bench.wait(LISTENS_S - TAKES_S)
        yield from differs("it has answered too many", bench.answered - before > ANSWERED_MAX, False)
        yield from differs("it keeps too many bytes", bench.unparsed_bytes > 2 * BYTES, False)
        yield from bench.reads(0)
        yield from bench.over(flood)
    yield from bench.holds_no_more(0)


LIMITS = (
    Exercise("too many connections", connections),
    Exercise("many too many connections", crowd),
    Exercise("many requests at once", pipelined),
    Exercise("too many operations", operations),
    Exercise("too many stores", stores),
    Exercise("clients that leave a vault", leaving),
    Exercise("refusals that leave nothing", refusing),
    Exercise("a client that does not listen", flooding),
)
