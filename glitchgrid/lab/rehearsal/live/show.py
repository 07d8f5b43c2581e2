"""The show: real machines as they are, what goes over their network, and the faults that somebody asks for by hand."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.servers import Lived, Said, Sent
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults.fault import Fault, OfKeeper, OfLink, OfServer
from glitchgrid.lab.layout import CLIENTS, Layout
from glitchgrid.lab.picture.page import as_data
from glitchgrid.lab.rehearsal.counting import Operations
from glitchgrid.lab.rehearsal.live.memory import REMEMBERED_NS, Memory, Struck
from glitchgrid.lab.rehearsal.rehearsal import RealTimeline
from glitchgrid.simulation.random_stream import RandomStream

log = Logger()

STATE_EVERY_S = 0.5
MESSAGES_EVERY_S = 0.1
MESSAGES_A_TIME_MAX = 40
LOG_MAX = 200
LOG_CHARS_MAX = 300
LINES_A_LOOK_MAX = 20
"""Of what programs say, between two states of the page."""

NS_PER_S, NS_PER_MS = 10**9, 10**6
FOR_MS_MAX = 600_000
QUIET_S_MAX = 600.0

Publish = Callable[[str, Any], object]
"""Tells all pages: the kind of an event, and what JSON can hold."""


@frozen
class Playing:
    """A timeline that goes on.

    :ivar title: what stands above it.
    :ivar drivers_s: for so long its drivers are called.
    """

    timeline: RealTimeline
    title: str
    drivers_s: float
    directory: Path


class RehearsalShow(Watcher):
    """:param publish: tells the pages.
    :param kinds: what can be done here.
    """

    def __init__(self, reactor: Any, layout: Layout, kinds: Sequence[type[Fault]], publish: Publish, seed: int) -> None:
        self._reactor = reactor
        self._layout = layout
        self._kinds = {kind.kind: kind for kind in kinds}
        self._publish = publish
        self._rng = RandomStream(f"{seed}:by hand")
        self._playing: Playing | None = None
        self._is_over = False
        self._headline = "Machines are made."
        self._memory = self._new_memory()
        self._numbers = itertools.count(1)
        self._messages: list[dict[str, Any]] = []
        self._sent = itertools.count(1)
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_MAX)
        self._logged = 0
        self._lines_left = LINES_A_LOOK_MAX
        self._calls = {"well": 0, "badly": 0}
        self._began_s = 0.0
        self._operations: Operations | None = None
        self._loops = [LoopingCall(self._tell_state), LoopingCall(self._tell_messages)]

    def start(self) -> None:
        for loop, every_s in zip(self._loops, (STATE_EVERY_S, MESSAGES_EVERY_S), strict=True):
            loop.clock = self._reactor
            loop.start(every_s, now=False).addErrback(
                lambda failure: log.failure("the page is not told any more", failure)
            )

    def stop(self) -> None:
        for loop in self._loops:
            if loop.running:
                loop.stop()

    def play(self, playing: Playing) -> None:
        """A timeline begins."""
        self._playing, self._is_over = playing, False
        self._headline = f"{playing.title}: machines are made."
        self._memory = self._new_memory()
        self._operations = Operations(playing.directory)
        self._calls = {"well": 0, "badly": 0}
        self._began_s = self._reactor.seconds()
        self._say("rehearsal", f"{playing.title} begins")

    def played(self, sentence: str) -> None:
        """It is over."""
        self._playing, self._is_over = None, True
        self._headline = sentence
        self._say("rehearsal", sentence)
        self._tell_state()

    def _new_memory(self) -> Memory:
        return Memory(list(self._layout.servers), list(self._layout.keepers), CLIENTS, monotonic_ns())

    # What happens.

    def called(self, call: Call) -> None:
        is_well = call.end in ENDS_WELL
        self._calls["well" if is_well else "badly"] += 1
        self._memory.called(call)
        if not is_well:
            self._say(CLIENTS, f"{call.command} {call.end}: {call.words[-1] if call.words else call.status}")

    def struck(self, fault: Fault, whom: Sequence[str]) -> None:
        self._memory.struck.append(Struck(next(self._numbers), fault.kind, whom, str(fault), monotonic_ns()))
        self._say("fault", f"{fault}")

    def healed(self, fault: Fault, whom: Sequence[str]) -> None:
        for each in self._memory.struck:
            if (each.text, each.end_ns) == (str(fault), None):
                each.end_ns = monotonic_ns()
                break
        self._say("fault", f"over: {' '.join((fault.kind, *whom))}")

    def trouble(self, what: str) -> None:
        self._say("trouble", what)

    def started(self, server: str) -> None:
        self._memory.started(server, monotonic_ns())

    def lived(self, lived: Lived) -> None:
        self._memory.lived(lived)

    def said(self, said: Said) -> None:
        if self._lines_left > 0:
            self._lines_left -= 1
            self._say(said.server, said.line[:LOG_CHARS_MAX])

    def sent(self, sent: Sent) -> None:
        self._memory.sent(sent)
        if len(self._messages) < MESSAGES_A_TIME_MAX:
            self._messages.append(
                {
                    "source": sent.source,
                    "target": sent.target,
                    "connection": 0,
                    "number": next(self._sent),
                    "text": sent.text,
                    "tone": "plain" if sent.arrived_ns is not None else "failure",
                    "sent_s": sent.sent_ns / NS_PER_S,
                    "arrived_s": None if sent.arrived_ns is None else sent.arrived_ns / NS_PER_S,
                }
            )

    def _tell_state(self) -> None:
        self._lines_left = LINES_A_LOOK_MAX
        self._publish("state", self.state())

    def _tell_messages(self) -> None:
        messages, self._messages = self._messages, []
        if messages:
            self._publish("messages", {"messages": messages})

    def _say(self, who: str, what: str, command: str = "") -> None:
        self._logged += 1
        at_ns = monotonic_ns()
        self._memory.say(at_ns, who, what)
        line = {
            "number": self._logged,
            "at_s": at_ns / NS_PER_S,
            "clock": time.strftime("%H:%M:%S"),
            "who": who,
            "what": what,
            "command": command,
        }
        self._log.append(line)
        self._publish("log", line)

    # What is asked of it.

    async def do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page asks for: ``fault`` with a kind, whom and for how long, ``end`` of one, ``quiet``.

        :raises CannotRun: for what can't be done, in a sentence.
        """
        nemesis = None if self._playing is None else self._playing.timeline.nemesis
        if nemesis is None:
            raise CannotRun("nothing can be done yet: no server serves")
        match asked.get("verb"):
            case "fault":
                nemesis.strike(self._fault(asked), _whole(asked, "for_ms", FOR_MS_MAX))
            case "end":
                nemesis.finish(_whole(asked, "number", 1 << 53))
            case "quiet":
                await Deferred.fromCoroutine(nemesis.quiet(_whole(asked, "seconds", int(QUIET_S_MAX))))
            case verb:
                raise CannotRun(f"there is no {verb!r}: a page can ask for fault, end and quiet")
        self._tell_state()
        return {}

    def _fault(self, asked: Mapping[str, Any]) -> Fault:
        """Of the kind and to whom it is asked for; all else of it is drawn."""
        kind = self._kinds.get(str(asked.get("kind")))
        if kind is None:
            raise CannotRun(f"there is no fault {asked.get('kind')!r} here; there is {', '.join(self._kinds)}")
        fault = kind.draw(self._rng, self._layout)
        if isinstance(fault, OfLink):
            source, target = (self._name(asked, end, self._layout.machines) for end in ("source", "target"))
            if source == target:
                raise CannotRun("a link has two ends")
            return evolve(fault, source=source, target=target)
        if isinstance(fault, OfServer):
            known = self._layout.keepers if isinstance(fault, OfKeeper) else self._layout.servers
            return evolve(fault, machine=self._name(asked, "machine", known))
        return fault

    @staticmethod
    def _name(asked: Mapping[str, Any], field: str, known: Sequence[str]) -> str:
        name = asked.get(field)
        if name not in known:
            raise CannotRun(f"{field} is {name!r}, and not one of {', '.join(known)}")
        return str(name)

    # What it shows.

    def timeline(self, last_s: float) -> dict[str, Any]:
        """See `glitchgrid.lab.web.door.Show`."""
        last_ns = int(min(last_s, REMEMBERED_NS / NS_PER_S) * NS_PER_S)
        now_ns = monotonic_ns()
        picture = self._memory.picture(now_ns, self._headline, last_ns)
        return as_data(picture) | {"begins_s": (now_ns - picture.duration_ns) / NS_PER_S}

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        return list(self._log)

    def state(self) -> dict[str, Any]:
        """All that a page shows now."""
        playing = self._playing
        stage = None if playing is None else playing.timeline.stage
        nemesis = None if playing is None else playing.timeline.nemesis
        return {
            "headline": self._headline if nemesis is None else self._how_it_goes(),
            "is_wrong": self._calls["badly"] > 0,
            "machines": [*self._machines(stage), {"name": CLIENTS, "kind": CLIENTS, "state": "up"}],
            "links": [] if playing is None else list(self._links(playing)),
            "going": []
            if nemesis is None
            else [
                {"number": number, "kind": fault.kind, "text": str(fault), "whom": list(whom)}
                for number, fault, whom in nemesis.going
            ],
            "kinds": [{"kind": kind.kind, "whom": _whom(kind)} for kind in self._kinds.values()],
            "calls": self._calls,
        }

    def _how_it_goes(self) -> str:
        assert self._playing is not None, "it goes"
        elapsed_s = self._reactor.seconds() - self._began_s
        per_s = 0.0 if self._operations is None else self._operations.per_s(elapsed_s)
        calls = self._calls["well"] + self._calls["badly"]
        badly = f", {self._calls['badly']} of them badly" if self._calls["badly"] else ""
        return f"{self._playing.title}: {elapsed_s:.0f} s, {per_s:.0f} operations a second, {calls} calls{badly}"

    def _machines(self, stage: Any) -> Sequence[dict[str, Any]]:
        hosts = {} if stage is None else {host.name: host for host in stage.servers}
        return [
            {
                "name": name,
                "kind": "keeper" if name in self._layout.keepers else "server",
                "state": "gone" if self._is_over else _state_of(hosts.get(name)),
            }
            for name in self._layout.servers
        ]

    def _links(self, playing: Playing) -> Sequence[dict[str, Any]]:
        network = playing.timeline.network
        names = [name for name in self._layout.machines if name in network.names]
        return [
            {"source": source, "target": target, **_link(network.way(source, target), network.way(target, source))}
            for source, target in itertools.combinations(names, 2)
        ]


def _state_of(host: Any) -> str:
    if host is None:
        return "is made"
    if host.process is None:
        return "down"
    return "stands still" if host.stands_still else "up"


def _link(there: Any, back: Any) -> dict[str, Any]:
    slow_ns = max((each.slowness[-1].latency_ns for each in (there, back) if each.slowness), default=0)
    return {
        "cut": [name for name, way in (("there", there), ("back", back)) if way.cuts],
        "held": [name for name, way in (("there", there), ("back", back)) if way.holds],
        "slow_ms": slow_ns / NS_PER_MS,
        "carried": there.carried + back.carried,
        "lost": there.lost + back.lost,
    }


def _whom(kind: type[Fault]) -> str:
    if issubclass(kind, OfLink):
        return "link"
    if issubclass(kind, OfKeeper):
        return "keeper"
    return "server" if issubclass(kind, OfServer) else "all"


def _whole(asked: Mapping[str, Any], name: str, most: int) -> int:
    value = asked.get(name)
    if type(value) is not int or not 0 < value <= most:
        raise CannotRun(f"{name} is {value!r}, and no whole number from 1 to {most}")
    return value
