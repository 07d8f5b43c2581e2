"""What one server tells of itself at one moment."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from twisted.web.http import OK

from glitchgrid.http.status import FORM


@frozen
class Answer:
    """:ivar problem: why there was none; empty where there was one."""

    code: int = 0
    text: str = ""
    problem: str = ""

    @property
    def is_ok(self) -> bool:
        """200."""
        return self.code == OK

    @property
    def value(self) -> int | None:
        """The value that a GET was answered."""
        return int(self.text) if self.is_ok and self.text.isascii() and self.text.isdigit() else None


@frozen
class Known:
    """What control tells of one of its vaults, from the vault's latest answer."""

    address: str
    identity: str | None
    held: int | None
    lag: int | None
    fails: str


@frozen
class Member:
    """A server.

    :ivar name: control, control2, vault1...
    :ivar answer: to ``GET /``.
    :ivar status: its ``/status``; empty where it has none, as the original servers, or gave none.
    """

    name: str
    address: str
    answer: Answer
    status: Mapping[str, Any] = field(factory=dict)

    @property
    def is_up(self) -> bool:
        """It answers, whatever it says."""
        return not self.answer.problem

    @property
    def has_unknown_form(self) -> bool:
        return bool(self.status) and self.status.get("form") != FORM

    @property
    def uptime_s(self) -> float | None:
        return _number(self.status.get("uptime_s"))

    @property
    def answered(self) -> int | None:
        """How many requests it has answered since its start."""
        return _whole(self.status.get("answered"))

    @property
    def version(self) -> str:
        return str(_map(self.status.get("versions")).get("glitchgrid", ""))


@frozen
class Control(Member):
    @property
    def serves(self) -> bool:
        """It has answered a read."""
        return self.answer.value is not None

    @property
    def protocol(self) -> str:
        return str(self.status.get("protocol", ""))

    @property
    def floor(self) -> int | None:
        return _whole(self.status.get("floor"))

    @property
    def knows(self) -> tuple[Known, ...]:
        """Its vaults, in its order; none where it does not tell them."""
        vaults = self.status.get("vaults")
        return tuple(_known(_map(each)) for each in vaults) if isinstance(vaults, list) else ()

    @property
    def in_progress(self) -> Mapping[str, int]:
        told = _map(self.status.get("in_progress"))
        return {str(name): count for name, count in told.items() if type(count) is int}


@frozen
class Vault(Member):
    """:ivar known: what the first control that answers knows of it; None where none does."""

    known: Known | None = None

    @property
    def shown(self) -> int | None:
        """What it answers; None where it does not."""
        return self.answer.value

    @property
    def durable(self) -> int | None:
        """What is in its file, as far as it knows."""
        return _whole(_map(self.status.get("value")).get("durable"))

    @property
    def identity(self) -> str | None:
        identity = self.status.get("identity")
        if identity:
            return str(identity)
        return None if self.known is None else self.known.identity

    @property
    def disk_failed(self) -> bool:
        return self.status.get("disk_failed") is True

    @property
    def votes(self) -> bool:
        """Do its answers count? A vault that tells nothing of peers has none, and votes."""
        return self._roster.get("votes") is not False

    @property
    def phase(self) -> str:
        """How far it is as a member of its grid; empty for one without peers."""
        return str(self._roster.get("phase") or "")

    @property
    def waits(self) -> str:
        """What it waits for before it votes, or what is not as it should be; else empty."""
        return str(self._roster.get("waits") or "")

    @property
    def losses(self) -> int:
        """How often somebody has let it go on without enough peers."""
        return _whole(self._roster.get("losses")) or 0

    @property
    def _roster(self) -> Mapping[str, Any]:
        return _map(self.status.get("roster"))

    @property
    def takes_stores(self) -> bool:
        """As far as can be seen from here."""
        return self.is_up and self.votes and not self.disk_failed


def _known(told: Mapping[str, Any]) -> Known:
    identity, fails = told.get("identity"), told.get("fails")
    return Known(
        str(told.get("address", "")),
        str(identity) if identity else None,
        _whole(told.get("held")),
        _whole(told.get("lag")),
        str(fails) if fails else "",
    )


def _map(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _whole(told: Any) -> int | None:
    return told if type(told) is int else None


def _number(told: Any) -> float | None:
    return float(told) if type(told) in {int, float} else None
