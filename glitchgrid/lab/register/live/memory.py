"""What has happened in the last minute, as a picture. What is older is forgotten, and memory has its limits."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from attrs import define, evolve, field, frozen
from twisted.web.http import BAD_REQUEST, OK

from glitchgrid.lab.picture.model import (
    DURABLE,
    SHOWN,
    Fault,
    Lane,
    LaneKind,
    Life,
    Mark,
    Message,
    Operation,
    Picture,
    Stair,
    Tone,
    TraceLine,
)
from glitchgrid.lab.register.live.clients import Done
from glitchgrid.lab.register.live.stage import CLIENTS
from glitchgrid.lab.register.processes.watch import Look
from glitchgrid.lab.relay.link import Passing

REMEMBERED_S = 60.0
MESSAGES_MAX = 30_000
OPERATIONS_MAX = 15_000
EVENTS_MAX = 1_000
LOST_AFTER_NS = 1_000_000
NS_PER_S = 10**9
OUTCOMES = {OK: "ok", BAD_REQUEST: "decreases"}


Clock = Callable[[float], int]
"""From the reactor's time to the picture's."""


@frozen
class _Level:
    """What a vault showed and held at one moment; None while it told nothing."""

    at_s: float
    shown: int | None
    durable: int | None


@define
class _Struck:
    kind: str
    lanes: Sequence[str]
    text: str
    begin_s: float
    end_s: float | None = None


@frozen
class _Ended:
    at_s: float
    done: Done


@define
class Memory:
    """:param begun_s: times are told from here on."""

    servers: Sequence[str]
    keepers: Sequence[str]
    begun_s: float
    _messages: deque[Passing] = field(factory=lambda: deque(maxlen=MESSAGES_MAX))
    _operations: deque[_Ended] = field(factory=lambda: deque(maxlen=OPERATIONS_MAX))
    _struck: deque[_Struck] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _lines: deque[tuple[float, str, str]] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _levels: dict[str, deque[_Level]] = field(factory=dict)
    _lives: dict[str, deque[tuple[float, bool]]] = field(factory=dict)

    # What it is told.

    def passing(self, message: Passing) -> None:
        """Once when it was sent, and once when it has arrived."""
        if message.arrived_s is None:
            self._messages.append(message)
            return
        for place in range(len(self._messages) - 1, -1, -1):
            each = self._messages[place]
            if (each.connection, each.number, each.source, each.target) == (
                message.connection,
                message.number,
                message.source,
                message.target,
            ):
                self._messages[place] = message
                return

    def done(self, done: Done, at_s: float) -> None:
        self._operations.append(_Ended(at_s, done))

    def look(self, look: Look, at_s: float) -> None:
        for vault in look.grid.vaults:
            levels = self._levels.setdefault(vault.name, deque())
            level = _Level(at_s, vault.shown, vault.durable)
            if not levels or (levels[-1].shown, levels[-1].durable) != (level.shown, level.durable):
                levels.append(level)
        for name, process in look.processes.items():
            lives = self._lives.setdefault(name, deque())
            if not lives or lives[-1][1] != bool(process.pid):
                lives.append((at_s, bool(process.pid)))

    def begins(self, kind: str, lanes: Sequence[str], text: str, at_s: float) -> None:
        """Something is done to somebody, and lasts."""
        self._struck.append(_Struck(kind, lanes, text, at_s))

    def ends(self, kind: str, lanes: Sequence[str] | None, at_s: float) -> None:
        """It is over: for these, or, without them, for all."""
        for each in self._struck:
            if each.kind == kind and (lanes is None or set(each.lanes) == set(lanes)) and each.end_s is None:
                each.end_s = at_s

    def say(self, who: str, what: str, at_s: float) -> None:
        """A line of the log."""
        self._lines.append((at_s, who, what))

    def forget(self, now_s: float) -> None:
        """What is older than it remembers."""
        since_s = now_s - REMEMBERED_S
        while self._messages and self._messages[0].sent_s < since_s:
            self._messages.popleft()
        while self._operations and self._operations[0].at_s < since_s:
            self._operations.popleft()
        while self._lines and self._lines[0][0] < since_s:
            self._lines.popleft()
        for levels in self._levels.values():
            while len(levels) > 1 and levels[1].at_s < since_s:
                levels.popleft()
        for lives in self._lives.values():
            while len(lives) > 1 and lives[1][0] < since_s:
                lives.popleft()
        kept = [each for each in self._struck if each.end_s is None or each.end_s >= since_s]
        self._struck = deque(kept, maxlen=EVENTS_MAX)

    # What it shows.

    def picture(
        self,
        now_s: float,
        title: str,
        marks: Sequence[Mark] = (),
        wrong: Iterable[int] = (),
        last_s: float = REMEMBERED_S,
    ) -> Picture:
        """The last seconds, all that it remembers at the most."""
        since_s = max(self.begun_s, now_s - min(last_s, REMEMBERED_S))
        is_wrong = frozenset(wrong)

        def ns(at_s: float) -> int:
            return max(0, round((at_s - since_s) * NS_PER_S))

        end_ns = max(1, ns(now_s))
        clients = dict.fromkeys(each.done.client for each in self._operations)
        return Picture(
            title=title,
            notes=[],
            duration_ns=end_ns,
            lanes=[
                *(Lane(name, LaneKind.CLIENT) for name in [*sorted(clients), CLIENTS]),
                *(Lane(name, LaneKind.KEEPER if name in self.keepers else LaneKind.SERVER) for name in self.servers),
            ],
            lives=[life for name in self.servers for life in self._lives_of(name, ns)],
            operations=[_operation(each, ns, is_wrong) for each in self._operations if each.at_s >= since_s],
            messages=[_message(each, ns, end_ns) for each in self._messages if each.sent_s >= since_s],
            faults=[_fault(each, ns, end_ns) for each in self._struck],
            stairs=[stair for name in self.keepers for stair in self._stairs_of(name, ns)],
            marks=[evolve(mark, at_ns=min(mark.at_ns, end_ns)) for mark in marks],
            trace=[TraceLine(ns(at_s), who, what) for at_s, who, what in self._lines],
        )

    def _lives_of(self, name: str, ns: Clock) -> Iterable[Life]:
        from_ns: int | None = None
        for at_s, is_alive in self._lives.get(name, ()):
            if is_alive and from_ns is None:
                from_ns = ns(at_s)
            elif not is_alive and from_ns is not None:
                yield Life(name, from_ns, ns(at_s))
                from_ns = None
        if from_ns is not None:
            yield Life(name, from_ns, None)

    def _stairs_of(self, name: str, ns: Clock) -> Iterable[Stair]:
        levels = self._levels.get(name, ())
        durable = [(ns(each.at_s), each.durable) for each in levels if each.durable is not None]
        shown = [(ns(each.at_s), each.shown) for each in levels if each.shown is not None]
        for kind, values in ((DURABLE, durable), (SHOWN, shown)):
            if values:
                yield Stair.of(name, kind, values)


def _fault(struck: _Struck, ns: Clock, end_ns: int) -> Fault:
    ended_ns = end_ns if struck.end_s is None else ns(struck.end_s)
    return Fault(struck.lanes, struck.kind, struck.text, ns(struck.begin_s), ended_ns)


def _operation(ended: _Ended, ns: Clock, wrong: frozenset[int]) -> Operation:
    done = ended.done
    outcome = OUTCOMES.get(done.code, "ambiguous" if done.value is not None else "failed")
    text = f"write {done.value}" if done.value is not None else f"read {done.text}"
    return Operation(
        done.client,
        done.number,
        done.kind,
        text,
        f"{done.code} {done.text}".strip(),
        ns(ended.at_s - done.took_s),
        ns(ended.at_s),
        outcome,
        is_wrong=done.number in wrong,
    )


def _message(passing: Passing, ns: Clock, end_ns: int) -> Message:
    sent_ns = ns(passing.sent_s)
    arrived_ns = None if passing.arrived_s is None else ns(passing.arrived_s)
    lost_ns = min(end_ns, sent_ns + LOST_AFTER_NS)
    return Message(
        passing.source, passing.target, sent_ns, arrived_ns, lost_ns, passing.text, passing.detail, Tone(passing.tone)
    )
