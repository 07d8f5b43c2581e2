"""What can be done to a grid that runs, under the names that the simulator has for it.

The page knows no more than `Stage`: whoever plays a grid in another way (on machines of its own, say) implements it.
"""

import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults, succeed

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.processes.disks import ILLS, VARIABLE, WELL
from glitchgrid.lab.register.processes.localgrid import LocalGrid, Member
from glitchgrid.lab.register.system import REGISTER
from glitchgrid.lab.relay.link import CUT, HELD, HOST, Direction, Link, Passing
from glitchgrid.lab.relay.way import DELAY_S_MAX

CLIENTS = "clients"
BOTH = "both"


class CannotDo(CannotRun):
    """What was asked for is none of a stage's verbs, or not for whom it was asked. The text is for people."""


class Stage(Protocol):
    """Whatever has a grid that can be broken. Names are the members'; a link is named by its two ends."""

    def kill(self, name: str) -> str: ...

    def stop(self, name: str) -> str: ...

    def go_on(self, name: str) -> str: ...

    def start(self, name: str) -> str: ...

    def restart(self, name: str) -> "Deferred[str]": ...

    def empty(self, name: str) -> "Deferred[str]": ...

    def disk(self, name: str, ill: str) -> "Deferred[str]": ...

    def glitch(self, name: str) -> "Deferred[str]": ...

    def cut(self, source: str, target: str, way: str) -> str: ...

    def hold(self, source: str, target: str, way: str) -> str: ...

    def release(self, source: str, target: str, way: str) -> str: ...

    def slow(self, source: str, target: str, delay_s: float) -> str: ...

    def heal(self, source: str, target: str) -> str: ...

    def reset(self) -> "Deferred[None]": ...


@frozen
class LinkSeen:
    """A link as it is now."""

    source: str
    target: str
    cut: Sequence[str]
    held: Sequence[str]
    delay_s: float
    waiting_bytes: int


class Links:
    """One between each control and each vault, and one between the clients and each control.

    :param told: of each message on one of them.
    """

    def __init__(self, reactor: Any, told: Callable[[Passing], object]) -> None:
        self._reactor = reactor
        self._told = told
        self._links: dict[tuple[str, str], Link] = {}

    def route(self, source: str, target: Member) -> str:
        """The address by which somebody is to reach a member: that of a link, which is made for it."""
        link = Link(self._reactor, source, target.name, target.port, REGISTER.read, self._told)
        self._links[source, target.name] = link
        return f"{HOST}:{link.open()}"

    def close(self) -> "Deferred[Any]":
        return gatherResults([link.close() for link in self._links.values()])

    def find(self, one: str, other: str) -> Link:
        """:raises CannotDo: where there is none between these two."""
        found = self._links.get((one, other)) or self._links.get((other, one))
        if found is None:
            raise CannotDo(f"there is no link between {one!r} and {other!r}")
        return found

    def seen(self) -> list[LinkSeen]:
        return [_seen(link) for link in self._links.values()]


def _seen(link: Link) -> LinkSeen:
    ways = link.ways.items()
    return LinkSeen(
        link.source,
        link.target,
        [direction.value for direction, way in ways if way.is_stopped_by(CUT)],
        [direction.value for direction, way in ways if way.is_stopped_by(HELD)],
        max(way.delay_s for _, way in ways),
        sum(way.waiting_bytes for _, way in ways),
    )


class LocalStage:
    """A stage for a grid of real processes on this machine.

    Each verb returns the command that does the same; nothing, where only this process can do it.

    :ivar stays_down: members that were killed here: they are not started again by themselves.
    """

    def __init__(self, grid: LocalGrid, links: Links) -> None:
        self._grid = grid
        self._links = links
        self.stays_down: set[Member] = set()
        self.stopped: set[Member] = set()

    def member(self, name: str) -> Member:
        """:raises CannotDo: where there is none of that name."""
        for member in self._grid.members:
            if member.name == name:
                return member
        raise CannotDo(f"there is no server {name!r}")

    # Processes.

    def kill(self, name: str) -> str:
        member = self._running(name)
        self.stays_down.add(member)
        self.stopped.discard(member)
        return self._signal(member, signal.SIGKILL, "kill -9")

    def stop(self, name: str) -> str:
        member = self._running(name)
        self.stopped.add(member)
        return self._signal(member, signal.SIGSTOP, "kill -STOP")

    def go_on(self, name: str) -> str:
        member = self._running(name)
        self.stopped.discard(member)
        return self._signal(member, signal.SIGCONT, "kill -CONT")

    def start(self, name: str) -> str:
        member = self.member(name)
        if member.running:
            raise CannotDo(f"{name} runs already")
        self.stays_down.discard(member)
        member.start()
        return member.command

    def restart(self, name: str) -> "Deferred[str]":
        """kill -9, and a start at once."""
        member = self._running(name)
        pid = _pid(member)

        def anew(_: object) -> str:
            self.start(name)
            return f"kill -9 {pid}; {member.command}"

        return self._down(member).addCallback(anew)

    def empty(self, name: str) -> "Deferred[str]":
        """Take its disk away, and start it with an empty one: it has lost what it had."""
        vault = self._vault(name)

        def taken_away(_: object) -> str:
            try:
                shutil.rmtree(directory)
            except FileNotFoundError:
                pass  # it had written nothing yet
            except OSError as error:
                raise CannotDo(f"the disk of {name} can't be emptied: {error.strerror}") from error
            finally:
                self.start(name)
            return f"kill -9 {pid}; rm -r {directory}; {vault.command}"

        pid = _pid(vault)
        directory = self._grid.data_directory(vault)
        return self._down(vault).addCallback(taken_away)

    def disk(self, name: str, ill: str) -> "Deferred[str]":
        """Start it anew with a disk that is ill, or well again."""
        if ill != WELL and ill not in ILLS:
            raise CannotDo(f"no disk is {ill!r}: there is {', '.join(ILLS)}")
        vault = self._vault(name)

        def anew(_: object) -> str:
            vault.environment[VARIABLE] = ill
            self.start(name)
            return f"{VARIABLE}={ill} {vault.command}"

        return self._down(vault).addCallback(anew)

    def glitch(self, name: str) -> "Deferred[str]":
        """Start all servers anew with a deliberate bug; without one, if the name is empty."""
        members = self._grid.members

        def anew(_: object) -> str:
            for member in members:
                member.glitch = name
                self.start(member.name)
            return ""

        return gatherResults([self._down(member) for member in members]).addCallback(anew)

    # Links.

    def cut(self, source: str, target: str, way: str) -> str:
        link = self._links.find(source, target)
        link.cut(*_directions(link, source, way))
        return ""

    def hold(self, source: str, target: str, way: str) -> str:
        link = self._links.find(source, target)
        link.hold(*_directions(link, source, way))
        return ""

    def release(self, source: str, target: str, way: str) -> str:
        link = self._links.find(source, target)
        link.release(*_directions(link, source, way))
        return ""

    def slow(self, source: str, target: str, delay_s: float) -> str:
        if not 0 <= delay_s <= DELAY_S_MAX:
            raise CannotDo(f"a link takes from 0 to {DELAY_S_MAX:g} s, and not {delay_s:g}")
        self._links.find(source, target).slow(delay_s)
        return ""

    def heal(self, source: str, target: str) -> str:
        self._links.find(source, target).heal()
        return ""

    def reset(self) -> "Deferred[None]":
        """All as it was in the beginning, but for what the vaults hold."""
        for seen in self._links.seen():
            self._links.find(seen.source, seen.target).heal()
        anew = [member for member in self._grid.members if member.glitch or member.environment.get(VARIABLE, WELL)]
        for member in self._grid.members:
            if member in self.stopped and member.running:
                self.go_on(member.name)

        def start_all(_: object) -> None:
            for member in self._grid.members:
                member.glitch = ""
                member.environment.pop(VARIABLE, None)
                if not member.running:
                    self.start(member.name)

        return gatherResults([self._down(member) for member in anew]).addCallback(start_all)

    # How.

    def _running(self, name: str) -> Member:
        member = self.member(name)
        if not member.running:
            raise CannotDo(f"{name} does not run")
        return member

    def _vault(self, name: str) -> Member:
        member = self.member(name)
        if member not in self._grid.vaults:
            raise CannotDo(f"{name} keeps nothing on a disk")
        return member

    def _signal(self, member: Member, number: signal.Signals, words: str) -> str:
        pid = _pid(member)
        member.signal(number)
        return f"{words} {pid}"

    def _down(self, member: Member) -> "Deferred[Any]":
        """Have it killed, and wait for that."""
        self.stopped.discard(member)
        if not member.running:
            return succeed(None)
        member.kill()
        return member.when_ended()


def _pid(member: Member) -> int:
    """That of its process; 0 where it was never started."""
    return 0 if member.child is None else member.child.pid


def _directions(link: Link, source: str, way: str) -> Sequence[Direction]:
    """Which directions of a link are meant: both, or that from a source to the other end."""
    if way == BOTH:
        return tuple(Direction)
    return (Direction.THERE if source == link.source else Direction.BACK,)


VERBS: Mapping[str, tuple[str, ...]] = {
    "kill": ("name",),
    "stop": ("name",),
    "go_on": ("name",),
    "start": ("name",),
    "restart": ("name",),
    "empty": ("name",),
    "disk": ("name", "ill"),
    "glitch": ("name",),
    "cut": ("source", "target", "way"),
    "hold": ("source", "target", "way"),
    "release": ("source", "target", "way"),
    "slow": ("source", "target", "delay_s"),
    "heal": ("source", "target"),
    "reset": (),
}
"""What the page may ask for, with its arguments: `delay_s` is a number, all others are texts."""
