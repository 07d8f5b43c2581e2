"""The show: a grid, its links, the page's clients and the checker, and what all of them tell the page."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from glitchgrid.lab.picture.model import Mark, Picture
from glitchgrid.lab.picture.page import as_data
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.live.clients import Checked, Clients, Done
from glitchgrid.lab.register.live.deeds import Deed, plan_of
from glitchgrid.lab.register.live.insimulation import Command, InSimulation
from glitchgrid.lab.register.live.memory import NS_PER_S, REMEMBERED_S, Memory
from glitchgrid.lab.register.live.stage import CLIENTS, VERBS, CannotDo, Links, LocalStage
from glitchgrid.lab.register.processes.disks import VARIABLE
from glitchgrid.lab.register.processes.localgrid import LocalGrid, Member
from glitchgrid.lab.register.processes.watch import Happenings, Look
from glitchgrid.lab.relay.link import Passing
from glitchgrid.sight.members import Vault
from glitchgrid.vaults.address import VaultAddress

log = Logger()

CHECK_EVERY_S = 1.0
MESSAGES_EVERY_S = 0.1
MESSAGES_A_TIME_MAX = 200
"""More than this in a tenth of a second nobody sees: they are counted."""

LOG_MAX = 200
DEEDS_MAX = 500
LASTING: Mapping[str, Collection[str]] = {
    "kill": ("start", "empty", "disk", "glitch"),
    "stop": ("go_on", "kill", "restart", "empty", "disk", "glitch"),
    "cut": ("heal",),
    "hold": ("release", "heal"),
    "slow": ("heal", "slow"),
}
"""Verbs whose work lasts, each with those that end it. A reset ends all."""

EVERYONES = ("reset", "glitch")
"""Verbs that are done to all servers."""

Publish = Callable[[str, Any], object]
"""Tells all pages: the kind of an event, and what JSON can hold."""


class Show:
    """:param publish: tells the pages.
    :param command_of: what a shell would be told to do the same as a request to the page.
    :param command: a command line of this program's.
    :ivar in_simulation: what was done last, done there.
    :ivar control_addresses: where clients reach each control, through a link.
    """

    def __init__(
        self,
        reactor: Any,
        grid: LocalGrid,
        links: Links,
        publish: Publish,
        command_of: Callable[[Any], str],
        command: Command,
    ) -> None:
        self._reactor = reactor
        self._grid = grid
        self._links = links
        self._publish = publish
        self._command_of = command_of
        self.stage = LocalStage(grid, links)
        self.in_simulation = InSimulation(reactor, grid.directory, command)
        self._deeds: deque[Deed] = deque(maxlen=DEEDS_MAX)
        self.control_addresses = {
            control.name: VaultAddress.parse(links.route(CLIENTS, control)) for control in grid.controls
        }
        self.clients = Clients(reactor, list(self.control_addresses.values()), self._done, grid.token)
        self._memory = Memory(
            [member.name for member in grid.members], [vault.name for vault in grid.vaults], reactor.seconds()
        )
        self._look: Look | None = None
        self._happenings = Happenings()
        self._restarts: Mapping[str, float] = {}
        self._checked = Checked(0, "nothing to check yet")
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_MAX)
        self._logged = 0
        self._messages: list[dict[str, Any]] = []
        self._more = 0
        self._loops = [LoopingCall(self._tell_messages), LoopingCall(self._check)]

    def start(self) -> None:
        for loop, every_s in zip(self._loops, (MESSAGES_EVERY_S, CHECK_EVERY_S), strict=True):
            loop.clock = self._reactor
            loop.start(every_s, now=False).addErrback(
                lambda failure: log.failure("the page is not told any more", failure)
            )

    def stop(self) -> "Deferred[Any]":
        self.clients.stop()
        self.in_simulation.give_up()
        for loop in self._loops:
            if loop.running:
                loop.stop()
        return self._links.close()

    # What happens.

    def looked(self, look: Look, restarts: Mapping[str, float]) -> None:
        """The grid was looked at."""
        self._look, self._restarts = look, restarts
        now_s = self._reactor.seconds()
        self._memory.look(look, now_s)
        self._memory.forget(now_s)
        for sentence in self._happenings.since_the_last(look):
            self._say("grid", sentence)
        self._publish("state", self.state())

    def passing(self, message: Passing) -> None:
        """A message was sent on a link, or has arrived."""
        self._memory.passing(message)
        if len(self._messages) >= MESSAGES_A_TIME_MAX:
            self._more += 1
            return
        self._messages.append(asdict(message))

    def tell(self, sentence: str) -> None:
        """Put a sentence into the log: of somebody who plays with the grid, too."""
        self._say("story", sentence)

    def _done(self, done: Done) -> None:
        self._memory.done(done, self._reactor.seconds())
        self._publish("done", asdict(done))

    def _tell_messages(self) -> None:
        messages, self._messages = self._messages, []
        more, self._more = self._more, 0
        if messages:
            self._publish("messages", {"messages": messages, "more": more, "now_s": self._reactor.seconds()})

    async def _check_once(self) -> None:
        if self._checked.is_wrong:
            return
        self._checked = await self.clients.check()
        if self._checked.is_wrong:
            self.clients.stop()
            self._say("checker", self._checked.text)
        self._publish("state", self.state())

    def _check(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._check_once())

    def _say(self, who: str, what: str, command: str = "") -> None:
        self._logged += 1
        now_s = self._reactor.seconds()
        clock = time.strftime("%H:%M:%S")
        line = {"number": self._logged, "at_s": now_s, "clock": clock, "who": who, "what": what, "command": command}
        self._log.append(line)
        self._memory.say(who, what, now_s)
        self._publish("log", line)

    # What is asked of it.

    async def do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page asks for.

        :raises CannotDo: for what can't be done, in a sentence.
        """
        verb = asked.get("verb")
        match verb:
            case "write" | "read" | "load" | "check anew":
                return await self._client(verb, asked)
            case "simulate":
                return await self._simulate()
            case str() if verb in VERBS:
                return await self._verb(verb, asked)
        raise CannotDo(f"there is no {verb!r}: a page can {', '.join(sorted(VERBS))}, write, read, load and simulate")

    async def _client(self, verb: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            match verb:
                case "write":
                    return asdict(await self.clients.write("you", _whole(asked, "value")))
                case "read":
                    return asdict(await self.clients.read("you"))
                case "load":
                    self.clients.load(_whole(asked, "per_s"))
                case _:
                    self.clients.begin_anew()
                    self._checked = Checked(0, "nothing to check yet")
        except ValueError as error:
            raise CannotDo(str(error)) from error
        return {}

    async def _simulate(self) -> dict[str, Any]:
        grid = self._grid
        vaults, controls = ([member.name for member in members] for members in (grid.vaults, grid.controls))
        glitch = self._glitch()
        told = plan_of(
            list(self._deeds),
            self._reactor.seconds(),
            vaults,
            controls,
            grid.protocol,
            "" if glitch is None else glitch["name"],
        )
        done = await self.in_simulation.do(told)
        self._say("you", done["sentence"], done["command"])
        return done

    async def _verb(self, verb: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        arguments = [_argument(asked, name) for name in VERBS[verb]]
        if verb == "glitch" and arguments[0] and arguments[0] not in GLITCHES:
            raise CannotDo(f"there is no glitch {arguments[0]!r}")
        command = await maybeDeferred(getattr(self.stage, verb), *arguments) or self._command_of(dict(asked))
        now_s = self._reactor.seconds()
        self._remember(verb, asked, now_s)
        lanes = [name for name in (asked.get("name"), asked.get("source"), asked.get("target")) if name in self._names]
        for begins, ends in LASTING.items():
            if verb in {*ends, "reset"}:
                self._memory.ends(begins, None if verb in EVERYONES else lanes, now_s)
        if verb in LASTING:
            self._memory.begins(verb, lanes, " ".join(map(str, arguments)), now_s)
        said = " ".join(str(each) for each in (verb.replace("_", " "), *arguments) if each != "")
        self._say("you", said, command if isinstance(command, str) else "")
        return {"command": command if isinstance(command, str) else ""}

    def _remember(self, verb: str, asked: Mapping[str, Any], at_s: float) -> None:
        """For the simulator. When all is as it was, what was done before does not count any more."""
        if verb == "reset":
            self._deeds.clear()
        else:
            self._deeds.append(Deed(verb, asked, at_s))

    # What it shows.

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(member.name for member in self._grid.members)

    def picture(self, last_s: float = REMEMBERED_S) -> Picture:
        """The last minute, or the last seconds of it."""
        wrong = self._checked.wrong
        marks = [Mark(10**18, "checker", self._checked.text)] if wrong else []
        return self._memory.picture(self._reactor.seconds(), self.headline, marks, [each.op for each in wrong], last_s)

    def timeline(self, last_s: float) -> dict[str, Any]:
        """What the page draws of the last seconds, and when it begins, by the clock of the log."""
        picture = self.picture(last_s)
        return as_data(picture) | {"begins_s": self._reactor.seconds() - picture.duration_ns / NS_PER_S}

    @property
    def headline(self) -> str:
        return "The grid is being started." if self._look is None else self._look.grid.headline

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        return list(self._log)

    def state(self) -> dict[str, Any]:
        """All that a page shows of the grid now."""
        grid = None if self._look is None else self._look.grid
        return {
            "headline": self.headline,
            "serves": grid is not None and grid.serves,
            "degraded": grid is None or grid.is_degraded,
            "value": None if grid is None else _exact(grid.value),
            "majority": None if grid is None else grid.majority,
            "protocol": self._grid.protocol,
            "glitch": self._glitch(),
            "members": list(self._members()),
            "links": [asdict(link) for link in self._links.seen()],
            "load": self.clients.per_s,
            "checker": {"text": self._checked.text, "wrong": self._checked.is_wrong},
        }

    def _glitch(self) -> dict[str, str] | None:
        names = {member.glitch for member in self._grid.members if member.glitch}
        name = min(names, default="")
        return {"name": name, "what": GLITCHES[name].what} if name in GLITCHES else None

    def _members(self) -> Iterator[dict[str, Any]]:
        look = self._look
        for member in self._grid.members:
            process = None if look is None else look.processes.get(member.name)
            yield {
                "name": member.name,
                "kind": member.kind,
                "port": member.port,
                "pid": 0 if process is None else process.pid,
                "state": "starting" if look is None else look.state(member.name),
                "stopped": member in self.stage.stopped and member.running,
                "restarts_in_s": self._restarts.get(member.name),
                "disk": member.environment.get(VARIABLE, ""),
                **self._told(look, member),
            }

    def _told(self, look: Look | None, member: Member) -> dict[str, Any]:
        if look is None:
            return {}
        told: dict[str, Any] = {"answers": look.answers[member.name], "per_s": round(look.per_s.get(member.name, 0))}
        for vault in look.grid.vaults:
            if vault.name == member.name:
                told |= _levels(look, vault)
        for control in look.grid.controls:
            if control.name == member.name:
                told["serves"] = control.serves
        return told


def _levels(look: Look, vault: Vault) -> dict[str, Any]:
    return {
        "shown": _exact(vault.shown),
        "durable": _exact(vault.durable),
        "lag": _exact(look.grid.lag(vault)),
        "disk_failed": vault.disk_failed,
        "votes": vault.votes,
        "phase": vault.phase,
        "identity": vault.identity,
    }


def _exact(value: int | None) -> int | str | None:
    """A browser would round it."""
    return value if value is None or value < 2**53 else str(value)


def _whole(asked: Mapping[str, Any], name: str) -> int:
    value = asked.get(name)
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 19:  # noqa: PLR2004 - of 2**63
        value = int(value)
    if type(value) is not int:
        raise CannotDo(f"{name} is {value!r}, and no whole number")
    return value


def _argument(asked: Mapping[str, Any], name: str) -> Any:
    value = asked.get(name)
    if name == "delay_s":
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise CannotDo(f"delay_s is {value!r}, and no number of seconds")
        try:
            return float(value)
        except OverflowError as error:
            raise CannotDo("delay_s is more than any number of seconds") from error
    if type(value) is not str:
        raise CannotDo(f"{name} is {value!r}, and no text")
    return value
