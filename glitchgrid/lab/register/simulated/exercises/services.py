"""How servers start and end, whatever comes in between."""

from glitchgrid.lab.register.oracles.contract import OPERATION_TIMEOUT_S, STOP_TIMEOUT_S
from glitchgrid.lab.register.oracles.wire import GET, Expected, post
from glitchgrid.lab.register.scripted.script import NO_ANSWER, SILENCE, Script
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs, found
from glitchgrid.lab.register.simulated.exercises.files import pair

STALLS_S = 2.0
HANGS_S = 60.0
AT_ONCE_S = 0.5
REPORT_EVERY_S = 20
SLOW_S = 2.2
BEGUN_S = 0.3
QUESTIONS = 24
"""A second apart: more lookups that hang than anybody has threads."""

RESOLVED_S = 31.0
"""What a lookup takes at most."""

_CLOSING = {b"connection": b"close"}


def starting(bench: Bench) -> Problems:
    """A start takes its time: nobody is let in before, and all is well behind it."""
    bench.file = pair(3, 9)
    bench.vault(wait=False, stalls_s=STALLS_S)
    yield from differs("it listens while it starts", bench.wait(STALLS_S - AT_ONCE_S, lambda: bench.listens), False)
    yield from differs("it listens", bench.wait(2 * AT_ONCE_S, lambda: bench.listens), True)
    yield from bench.reads(9)


def listening_first(bench: Bench) -> Problems:
    """It takes its port first, and whoever connects waits until it serves."""
    bench.file = pair(3, 9)
    bench.vault(listens_first=True, wait=False, stalls_s=STALLS_S)
    yield from differs("it has its port", bench.wait(AT_ONCE_S, lambda: bench.listens), True)
    yield from bench.says("a read during the start", [(0.0, GET)], found(9), at_s=STALLS_S)
    yield from bench.logged()
    yield from bench.stop(AT_ONCE_S)


def hanging(bench: Bench) -> Problems:
    """A start hangs in its disk: SIGTERM ends it, when the time for that is over."""
    bench.file = pair(3, 9)
    bench.vault(wait=False, stalls_s=HANGS_S)
    bench.wait(AT_ONCE_S)
    began_s = bench.now_s
    yield from bench.stop(STOP_TIMEOUT_S + AT_ONCE_S)
    yield from differs("it left before its time", bench.now_s - began_s < STOP_TIMEOUT_S - AT_ONCE_S, False)
    yield from bench.logged("not everything ended within 5 s; leaving")


def taken(bench: Bench) -> Problems:
    """Another server has what it needs: it says so, and the other goes on."""
    bench.vault()
    bench.another()
    bench.wait(1.0)
    yield from differs("why it does not start", bench.fatal, ["data directory /data is in use by another vault"])
    bench.clear()
    scripts = [Script(5)]
    bench.control(*scripts)
    bench.another()
    bench.wait(1.0)
    yield from differs("why it does not start", bench.fatal, ["cannot listen on tcp:8000: Address already in use"])


def reporting(bench: Bench) -> Problems:
    """It says now and then how much it has answered, each answer once; and no more once it has ended."""
    scripts = [Script(5)]
    bench.control(*scripts, report_every_s=REPORT_EVERY_S)
    for _ in range(3):
        yield from bench.reads(5)
    bench.wait(REPORT_EVERY_S)
    yield from bench.reads(5)
    bench.wait(REPORT_EVERY_S)
    yield from bench.logged(f"answered 1 requests in {REPORT_EVERY_S} s", f"answered 3 requests in {REPORT_EVERY_S} s")
    yield from bench.stop(AT_ONCE_S)


def draining(bench: Bench) -> Problems:
    """SIGTERM: what is in progress is answered, whoever has asked nothing is left, and nobody new is let in."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts, timeout_s=OPERATION_TIMEOUT_S, report_every_s=1)
    bench.wait(1.0)
    for script in scripts:
        script.late_s = SLOW_S
    asked = bench.asks("a read in progress", [(0.0, GET)], Expected(200, b"5", _CLOSING), at_s=SLOW_S, closes=True)
    idle = bench.asks("an idle connection", [(0.0, b"")], closes=True, closes_after_s=BEGUN_S)
    bench.wait(BEGUN_S)
    bench.log.clear()
    let_in: list[bool] = []
    yield from bench.stop(SLOW_S, meanwhile=lambda: let_in.append(bench.wait(0.1) or bench.listens))
    yield from differs("new clients are let in", let_in, [False])
    yield from bench.over(asked, idle)
    yield from bench.logged("(TCP Port 8000 Closed)")


def storing(bench: Bench) -> Problems:
    """SIGTERM in the middle of a store: it is answered once it is durable, and then the vault ends."""
    bench.vault()
    yield from bench.reads(0)
    bench.stall(SLOW_S)
    asked = bench.asks(
        "a store in progress", [(0.0, post(b"7"))], Expected(200, b"7", _CLOSING), at_s=SLOW_S, closes=True
    )
    bench.wait(BEGUN_S)
    yield from bench.stop(SLOW_S)
    yield from bench.over(asked)
    bench.vault()
    yield from bench.reads(7)


def ready(bench: Bench) -> Problems:
    """It says once that it serves: when a majority has answered, and not before."""
    scripts = [Script(5, how=lambda _script, _asked: NO_ANSWER) for _ in range(3)]
    bench.control(*scripts, tells=True)
    bench.wait(1.0)
    yield from differs("it says that it serves", bench.is_ready, 0)
    for script in scripts:
        script.how = None
    bench.wait(1.0)
    yield from differs("it says that it serves", bench.is_ready, 1)
    yield from bench.reads(5)
    yield from differs("it says that it serves", bench.is_ready, 1)
    yield from bench.holds_no_more(6)
    yield from bench.stop(AT_ONCE_S)


def never_ready(bench: Bench) -> Problems:
    """Told to end before that, it ends, and asks no more."""
    scripts = [Script(5, how=lambda _script, _asked: NO_ANSWER) for _ in range(3)]
    bench.control(*scripts, tells=True)
    bench.wait(1.0)
    yield from bench.stop(AT_ONCE_S)
    yield from differs("it says that it serves", bench.is_ready, 0)


def left(bench: Bench) -> Problems:
    """Clients leave in the middle of their operations: nobody minds, and nothing of theirs is kept."""
    scripts = [Script(5) for _ in range(3)]
    bench.control(*scripts, timeout_s=OPERATION_TIMEOUT_S)
    yield from bench.reads(5)
    for script in scripts:
        script.how = lambda _script, _asked: SILENCE
    yield from bench.over(bench.asks("a client that leaves", [(0.0, GET)]))
    bench.wait(OPERATION_TIMEOUT_S)
    yield from bench.logged(
        *(f"vault {machine.address}:8001 fails: no whole answer within 4 s" for machine in bench.others)
    )
    yield from bench.holds_no_more(0)


def unresolved(bench: Bench) -> Problems:
    """A vault's name never resolves: that costs the others nothing, and the end nothing either."""
    scripts = [Script(5) for _ in range(3)]
    bench.silence("bench1")
    bench.control(*scripts, by_name=True)
    sends = [(1.0 if count else 0.0, GET) for count in range(QUESTIONS)]
    yield from bench.says("reads all the while", sends, *[found(5)] * QUESTIONS, at_s=float(QUESTIONS - 1))
    bench.break_connections()
    yield from bench.reads(5)
    yield from bench.logged("vault bench1:8001 fails: no whole answer within 1 s")
    bench.resolve()
    bench.wait(RESOLVED_S)
    yield from bench.reads(5)
    yield from bench.reads(5)
    yield from bench.logged("vault bench1:8001 answers again")
    bench.clear()
    bench.silence("bench1")
    bench.control(*scripts, by_name=True)
    bench.wait(1.0)
    yield from bench.stop(AT_ONCE_S)


SERVICES = (
    Exercise("a start that takes its time", starting),
    Exercise("a port that is taken first", listening_first),
    Exercise("a start that hangs", hanging),
    Exercise("what another one has", taken),
    Exercise("reports", reporting),
    Exercise("an end with something in progress", draining),
    Exercise("an end in the middle of a store", storing),
    Exercise("a control that tells that it serves", ready),
    Exercise("a control that never serves", never_ready),
    Exercise("clients that leave", left),
    Exercise("a name that never resolves", unresolved),
)
