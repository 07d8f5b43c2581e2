#!/usr/bin/env python3
"""Clients that mean no good: what is no value, what is no HTTP, half requests, and old messages that are sent again."""

from collections.abc import Callable, Coroutine
from typing import Any

from antithesis.assertions import always, reachable, sometimes
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.web.http_headers import Headers

from glitchgrid.lab.register.malformed import KINDS, MalformedClient
from glitchgrid.lab.register.testkit.checks import must
from glitchgrid.lab.register.testkit.client import read_value
from glitchgrid.lab.register.testkit.http import CONNECT_TIMEOUT_S, NoAnswer, NotSent
from glitchgrid.lab.register.testkit.turn import Turn, run
from glitchgrid.protocol.roster import list_digest
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE, LIST_HEADER

TRICKS_MAX = 12
STAYS_S_MAX = 2.0
OK, CLIENT_ERRORS, PRECONDITION_FAILED, SERVER_ERRORS = 200, 400, 412, 500

NO_VALUES = (b"", b"0", b"-1", b"+5", b"1_000", b"1e3", b"0x10", b"5 5", b"\xd9\xa3", b"9223372036854775808", b"7" * 65)
"""What is no value on the wire, and a number to somebody who asks Python's int() or C's strtol."""


async def no_value(turn: Turn) -> None:
    server, body = turn.random.choice((*turn.controls, *turn.vaults)), turn.random.choice(NO_VALUES)
    try:
        answer = await turn.http.ask(server, body)
    except (NotSent, NoAnswer):
        return
    is_refused = CLIENT_ERRORS <= answer.status < SERVER_ERRORS
    sometimes(is_refused, "test: what is no value is refused")
    always(answer.status != OK, "test: what is no value is never taken", {"body": repr(body), "server": str(server)})
    must(answer.status != OK, f"{server} took {body!r}: {answer.body!r}")


async def replay(turn: Turn) -> None:
    """A store of control's that was held up in the network, as it were: the value is an old one of the vault's own."""
    vault = turn.random.choice(turn.vaults)
    held = await read_value(turn.http, vault)
    if not held or held == 1:
        return
    old = held - 1
    listed = list_digest(each.canonical_text for each in turn.vaults).encode("ascii")
    try:
        answer = await turn.http.ask(
            vault, b"%d" % old, Headers({GUARD_HEADER: [GUARD_INCREASE], LIST_HEADER: [listed]})
        )
    except (NotSent, NoAnswer):
        return
    reachable("test: an old store is sent again")
    sometimes(answer.status == PRECONDITION_FAILED, "test: an old store is refused for its age")
    now = await read_value(turn.http, vault)
    is_kept = answer.status != OK and (now is None or now >= held)
    always(is_kept, "test: an old store changes nothing", {"vault": str(vault), "held": held, "now": now})
    must(is_kept, f"{vault} held {held}, answered {answer.status} to an old store of {old}, and holds {now}")


async def nuisance(turn: Turn) -> None:
    server, kind = turn.random.choice((*turn.controls, *turn.vaults)), turn.random.choice(tuple(KINDS))
    stays_s = turn.random.uniform(0.0, STAYS_S_MAX)
    endpoint = HostnameEndpoint(turn.reactor, server.host, server.port, timeout=CONNECT_TIMEOUT_S)
    try:
        protocol = await connectProtocol(endpoint, MalformedClient(turn.reactor, kind, stays_s))
    except (ConnectError, DNSLookupError):
        return
    await protocol.gone
    reachable("test: a nuisance has come and gone")


Trick = Callable[[Turn], Coroutine[Any, Any, None]]


async def hostile(turn: Turn) -> None:
    tricks = (no_value, replay, nuisance)
    await turn.together(_one_after_another(turn, trick) for trick in tricks)


async def _one_after_another(turn: Turn, trick: Trick) -> None:
    for _ in range(turn.random.randint(0, TRICKS_MAX)):
        if turn.has_time:
            await trick(turn)


if __name__ == "__main__":
    run(hostile)
