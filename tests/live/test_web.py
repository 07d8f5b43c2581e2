"""The page's server, without a grid behind it."""

from collections.abc import Mapping
from typing import Any

import pytest
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.register.live.web import Web
from glitchgrid.lab.web.door import HOST
from glitchgrid.lab.web.pages import Pages

PORT = 9000


class Show:
    """:param outcome: of whatever is asked."""

    def __init__(self, outcome: dict[str, Any] | Exception) -> None:
        self._outcome = outcome
        self.asked: list[Mapping[str, Any]] = []

    async def do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def ask(web: Web, method: str, name: str, data: bytes = b"") -> tuple[int, str]:
    client: Any = StubTreq(web.app.resource())
    found: list[Any] = []
    pending: Deferred[Any] = client.request(method, web.url + name, data=data)
    pending.addCallback(found.append)
    client.flush()
    (response,) = found
    texts: list[str] = []
    response.text().addCallback(texts.append)
    client.flush()
    return response.code, texts[0]


def web(show: Any) -> Web:
    made = Web(PORT, Pages())
    made.show = show
    return made


def test_what_is_asked_is_done() -> None:
    show = Show({"command": "kill -9 5"})
    assert ask(web(show), "POST", "do", b'{"verb": "kill", "name": "vault1"}') == (200, '{"command": "kill -9 5"}')
    assert show.asked == [{"verb": "kill", "name": "vault1"}]


def test_what_cannot_be_done_is_said_in_a_line_whoever_says_so() -> None:
    show = Show(CannotRun("vault1 cannot be started: vault1.log: No space left on device"))
    assert ask(web(show), "POST", "do", b"{}") == (
        400,
        "vault1 cannot be started: vault1.log: No space left on device\n",
    )


def test_a_fault_of_ours_is_logged() -> None:
    with capturedLogs() as events:
        assert ask(web(Show(KeyError("odd"))), "POST", "do", b"{}") == (500, "Internal error\n")
    assert [each["log_failure"].type for each in events if "log_failure" in each] == [KeyError]


@pytest.mark.parametrize("name", ["timeline.json", "timeline.html", "simulation.json", "simulation.html", "events"])
def test_before_the_grid_is_up(name: str) -> None:
    assert ask(web(None), "GET", name) == (503, "What is to be seen is being started\n")


def test_the_address_is_the_page() -> None:
    made = web(None)
    assert made.url.startswith(f"http://{HOST}:{PORT}/")
    assert len(made.url.removesuffix("/").rpartition("/")[2]) >= 20
    assert ask(made, "GET", "")[0] == 200
