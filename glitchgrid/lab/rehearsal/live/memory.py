"""What has happened to real machines in the last minute, as a picture. What is older is forgotten."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from attrs import define, field

from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.servers import Lived, Sent
from glitchgrid.lab.picture.model import Fault, Lane, LaneKind, Life, Mark, Message, Operation, Picture, Tone, TraceLine

REMEMBERED_NS = 60 * 10**9
MESSAGES_MAX = 10_000
EVENTS_MAX = 1_000
LOST_AFTER_NS = 20_000_000

Clock = Callable[[int], int]
"""From the monotonic clock to the picture's."""


@define
class Struck:
    """A fault: `end_ns` is None while it lasts."""

    number: int
    kind: str
    lanes: Sequence[str]
    text: str
    begin_ns: int
    end_ns: int | None = None


@define
class Memory:
    """:ivar clients: the machine of the test commands."""

    servers: Sequence[str]
    keepers: Sequence[str]
    clients: str
    begun_ns: int
    struck: deque[Struck] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _sent: deque[Sent] = field(factory=lambda: deque(maxlen=MESSAGES_MAX))
    _calls: deque[Call] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _lives: deque[Lived] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _lines: deque[tuple[int, str, str]] = field(factory=lambda: deque(maxlen=EVENTS_MAX))
    _living: dict[str, int] = field(factory=dict)

    # What it is told.

    def sent(self, sent: Sent) -> None:
        self._sent.append(sent)

    def called(self, call: Call) -> None:
        self._calls.append(call)

    def started(self, server: str, at_ns: int) -> None:
        self._living[server] = at_ns

    def lived(self, lived: Lived) -> None:
        self._living.pop(lived.server, None)
        self._lives.append(lived)

    def say(self, at_ns: int, who: str, what: str) -> None:
        self._lines.append((at_ns, who, what))

    # What it shows.

    def picture(self, now_ns: int, title: str, last_ns: int = REMEMBERED_NS) -> Picture:
        """The last seconds, all that it remembers at the most."""
        since_ns = max(self.begun_ns, now_ns - min(last_ns, REMEMBERED_NS))

        def at(ns: int) -> int:
            return max(0, ns - since_ns)

        end_ns = max(1, at(now_ns))
        placed = list(self._placed(since_ns))
        lanes = dict.fromkeys(lane for lane, _ in placed)
        return Picture(
            title=title,
            notes=[],
            duration_ns=end_ns,
            lanes=[
                *(Lane(name, LaneKind.CLIENT) for name in [*sorted(lanes), self.clients]),
                *(Lane(name, LaneKind.KEEPER if name in self.keepers else LaneKind.SERVER) for name in self.servers),
            ],
            lives=[
                *(Life(each.server, at(each.from_ns), at(each.to_ns)) for each in self._lives if each.to_ns > since_ns),
                *(Life(server, at(from_ns), None) for server, from_ns in self._living.items()),
            ],
            operations=[_operation(number, lane, call, at) for number, (lane, call) in enumerate(placed)],
            messages=[_message(each, at) for each in self._sent if each.sent_ns >= since_ns],
            faults=[
                Fault(each.lanes, each.kind, each.text, at(each.begin_ns), at(each.end_ns or now_ns))
                for each in self.struck
                if each.end_ns is None or each.end_ns > since_ns
            ],
            stairs=[],
            marks=[
                Mark(at(call.ended_ns), "test command", f"{call.command} {call.end.value}")
                for _, call in placed
                if call.end not in ENDS_WELL
            ],
            trace=[TraceLine(at(at_ns), who, what) for at_ns, who, what in self._lines if at_ns >= since_ns],
        )

    def _placed(self, since_ns: int) -> Iterator[tuple[str, Call]]:
        """Calls of test commands, each in a lane that is free for it."""
        free_from_ns: list[int] = []
        for call in sorted(self._calls, key=lambda each: each.began_ns):
            if call.ended_ns < since_ns:
                continue
            lane = next((n for n, ns in enumerate(free_from_ns) if ns <= call.began_ns), len(free_from_ns))
            free_from_ns[lane : lane + 1] = [call.ended_ns]
            yield f"command {lane + 1}", call


def _operation(number: int, lane: str, call: Call, at: Clock) -> Operation:
    words = call.words[-1] if call.words else ""
    is_well = call.end in ENDS_WELL
    return Operation(
        lane,
        number,
        "read" if is_well else "write",
        call.command,
        f"{call.end.value}: {words}" if words else call.end.value,
        at(call.began_ns),
        at(call.ended_ns),
        "ok" if is_well else "failed",
        is_wrong=not is_well,
    )


def _message(sent: Sent, at: Clock) -> Message:
    arrived_ns = None if sent.arrived_ns is None else at(sent.arrived_ns)
    tone = Tone.FAILURE if sent.arrived_ns is None else Tone.PLAIN
    sent_ns = at(sent.sent_ns)
    return Message(sent.source, sent.target, sent_ns, arrived_ns, sent_ns + LOST_AFTER_NS, sent.text, sent.text, tone)
