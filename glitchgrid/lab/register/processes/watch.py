"""What a grid looks like from outside, once a second: who is up, and what each member answers."""

from typing import Any

from attrs import frozen
from rich.table import Table
from rich.text import Text
from treq import text_content
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.web.http import OK

from glitchgrid.lab.register.processes.localgrid import HOST, LocalGrid, Member
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.connections import vault_http
from glitchgrid.waiting import settled

ASK_TIMEOUT_S = 1.5
ANSWER_CHARACTERS_MAX = 40


@frozen
class Sight:
    """One member at one moment. `answer` is None where none came."""

    name: str
    address: str
    pid: int
    state: str
    answer: str | None
    requests_per_s: int


class Watch:
    """Asks every member of a grid what it holds."""

    def __init__(self, reactor: Any, grid: LocalGrid) -> None:
        self._reactor = reactor
        self._grid = grid
        self._connections = {
            member.name: vault_http(reactor, VaultAddress(HOST, member.port), ASK_TIMEOUT_S) for member in grid.members
        }

    async def look(self) -> list[Sight]:
        """Ask all of them at once; takes `ASK_TIMEOUT_S` at the most."""
        answers = await settled(self._ask(member) for member in self._grid.members)
        return [
            _sight(member, answer if answered else None)
            for member, (answered, answer) in zip(self._grid.members, answers, strict=True)
        ]

    async def close(self) -> None:
        for connections in self._connections.values():
            await connections.close()

    def _ask(self, member: Member) -> Deferred[str]:
        asked = Deferred.fromCoroutine(_answer(self._connections[member.name].fresh, member.url, self._reactor))
        return asked.addTimeout(ASK_TIMEOUT_S, self._reactor)


async def _answer(http: HTTPClient, url: str, reactor: Any) -> str:
    response = await http.request("GET", url, allow_redirects=False, reactor=reactor)
    text = (await text_content(response))[:ANSWER_CHARACTERS_MAX]
    return text if response.code == OK else f"{response.code} {text}"


def _sight(member: Member, answer: str | None) -> Sight:
    if not member.running:
        state = f"down ({member.last_words()})"
    elif answer is None:
        state = "no answer"
    else:
        state = "up"
    pid = member.child.pid if member.child is not None and member.running else 0
    return Sight(member.name, member.address, pid, state, answer, member.requests_per_s)


def table(sights: list[Sight]) -> Table:
    """The grid as a table for a terminal."""
    result = Table(title="Glitch Grid", title_justify="left", caption="Ctrl-C ends it. This table asks once a second.")
    for heading in ("", "address", "pid", "state", "answers", "requests/s"):
        result.add_column(heading, justify="right" if heading in {"pid", "answers", "requests/s"} else "left")
    for sight in sights:
        style = {"up": "green", "no answer": "yellow"}.get(sight.state, "red")
        result.add_row(
            sight.name,
            sight.address,
            str(sight.pid or "-"),
            Text(sight.state, style),
            Text(sight.answer if sight.answer is not None else "-", "red" if sight.answer in {None, "500 -1"} else ""),
            str(sight.requests_per_s),
        )
    return result


def changes(before: list[Sight], now: list[Sight]) -> list[str]:
    """Lines for a pipe: one for each member whose state or answer has changed."""
    known = {sight.name: (sight.state, sight.answer) for sight in before}
    return [
        f"{sight.name} {sight.address}: {sight.state}, answers {sight.answer if sight.answer is not None else '-'}"
        for sight in now
        if known.get(sight.name) != (sight.state, sight.answer)
    ]
