"""Asks the servers of a grid what they know of themselves, all at once."""

import json
import os
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import treq
from attrs import evolve, frozen
from treq.client import HTTPClient
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.errors import BadAddress, one_line
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer, Control, Known, Vault
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tls.problems import in_words
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.connections import vault_http
from glitchgrid.waiting import settled, stoppable

ASK_TIMEOUT_S = 5.0
"""An operation at control may take 4 s."""

ANSWER_BYTES_MAX = 1 << 18

_T = TypeVar("_T")
_NO_ANSWER = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)


class _TooLong(Exception):
    """An answer that no server of a grid gives."""


@frozen
class _Told:
    """What one server has answered."""

    answer: Answer
    status: dict[str, Any]


@frozen
class Asker:
    """:param timeout_s: how long a server may take for its answer.
    :param token: what is presented; None for nothing.
    :param tls: how servers are asked by TLS; None to ask them without.
    """

    reactor: Any
    timeout_s: float = ASK_TIMEOUT_S
    token: bytes | None = None
    tls: ClientTLS | None = None

    async def look(self, controls: Sequence[VaultAddress]) -> Grid:
        """The grid behind some controls. Takes twice `timeout_s` at the most."""
        seen = await self._controls(controls)
        known: dict[str, Known] = {}
        for control in seen:
            for vault in control.knows:
                known.setdefault(vault.address, vault)
        return Grid(seen, await self._vaults(list(known.values())))

    async def look_at(
        self,
        controls: Sequence[VaultAddress],
        vaults: Sequence[VaultAddress],
        read: Mapping[str, Answer] | None = None,
    ) -> Grid:
        """A grid whose vaults are known. Takes `timeout_s` at the most.

        :param read: what each control was seen to answer a read; None to have each of them read now, which asks its
            vaults.
        """
        unheard = [Known(str(address), None, None, None, "") for address in vaults]
        asked: list[Any] = await _all([self._controls(controls, read), self._vaults(unheard)])
        seen, answered = asked
        known = {vault.address: vault for control in reversed(seen) for vault in control.knows}
        return Grid(seen, [evolve(vault, known=known.get(vault.address)) for vault in answered])

    async def ask(self, address: VaultAddress, path: str = "/", value: int | None = None) -> Answer:
        """One request: a GET, or a POST of a value."""
        try:
            http = vault_http(self.reactor, address, self.timeout_s, self.tls).fresh
        except BadAddress as error:
            return Answer(problem=str(error))
        asked = Deferred.fromCoroutine(_exchange(http, self.reactor, path, value, self.token))
        try:
            return await stoppable(asked.addTimeout(self.timeout_s, self.reactor, _late))
        except defer.TimeoutError:
            return Answer(problem=f"no answer within {self.timeout_s:g} s")
        except _NO_ANSWER as error:
            return Answer(problem=_in_words(error))
        except _TooLong:
            return Answer(problem="its answer is too long for a server of a grid")

    async def _controls(
        self, controls: Sequence[VaultAddress], read: Mapping[str, Answer] | None = None
    ) -> list[Control]:
        told = await _all(self._told(address, None if read is None else read.get(str(address))) for address in controls)
        return [
            Control(name, str(address), each.answer, each.status)
            for name, address, each in zip(_names("control", len(told)), controls, told, strict=True)
        ]

    async def _vaults(self, known: Sequence[Known]) -> list[Vault]:
        told = await _all(self._told_by_vault(each.address) for each in known)
        return [
            Vault(name, each.address, answered.answer, answered.status, each)
            for name, each, answered in zip(_names("vault", len(known)), known, told, strict=True)
        ]

    async def _told_by_vault(self, address: str) -> _Told:
        try:
            return await self._told(VaultAddress.parse(address))
        except BadAddress as error:
            return _Told(Answer(problem=str(error)), {})

    async def _told(self, address: VaultAddress, read: Answer | None = None) -> _Told:
        if read is None:
            status, answer = await _all([self.ask(address, "/status"), self.ask(address)])
            return _Told(answer, _parsed(status))
        status = await self.ask(address, "/status")
        return _Told(status if status.problem else read, _parsed(status))


def _late(_failure: object, _timeout_s: float) -> NoReturn:
    """An agent that is told to stop fails with what that does to its connection."""
    raise defer.TimeoutError


async def _all(asked: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """What they return, which raise nothing but bugs."""
    results = await settled(Deferred.fromCoroutine(each) for each in asked)
    for is_well, result in results:
        if not is_well:
            result.raiseException()
    return [result for _, result in results]


async def _exchange(http: HTTPClient, reactor: Any, path: str, value: int | None, token: bytes | None) -> Answer:
    url = f"http://grid{path}"
    headers = Headers() if token is None else Headers({b"Authorization": [b"Bearer " + token]})
    response: IResponse = await (
        http.request("GET", url, headers=headers, allow_redirects=False, reactor=reactor)
        if value is None
        else http.request("POST", url, headers=headers, data=b"%d" % value, allow_redirects=False, reactor=reactor)
    )
    body = bytearray()

    def take(data: bytes) -> None:
        body.extend(data)
        if len(body) > ANSWER_BYTES_MAX:
            raise _TooLong

    await treq.collect(response, take)
    return Answer(response.code, one_line(body.decode("utf-8", "replace").strip()))


def _parsed(status: Answer) -> dict[str, Any]:
    """What a server tells of itself; nothing where it tells nothing that can be read."""
    if not status.is_ok:
        return {}
    try:
        told = json.loads(status.text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _in_words(error: BaseException) -> str:
    """Why there was no answer, in a few words."""
    reasons = getattr(error, "reasons", None)
    if reasons:
        return _in_words(reasons[0].value)
    if isinstance(error, DNSLookupError):
        return "its name is not known here"
    of_tls = in_words(error)
    if of_tls is not None:
        return of_tls
    os_error = getattr(error, "osError", None)
    if os_error:
        return os.strerror(os_error)
    return one_line(str(error)).rstrip(".") or "the connection broke"


def _names(kind: str, count: int) -> list[str]:
    """Control alone is called control."""
    return [kind] if kind == "control" and count == 1 else [f"{kind}{number}" for number in range(1, count + 1)]
