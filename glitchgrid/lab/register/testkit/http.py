"""Requests of the test commands: treq, with a deadline and a limit, and the ways in which there is no answer."""

from typing import Any

import treq
from attrs import frozen
from treq.client import HTTPClient
from twisted.internet import defer
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.web.client import Agent, HTTPConnectionPool, RequestGenerationFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.connections import CONNECTION_ERRORS
from glitchgrid.waiting import stoppable

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 6.0
"""Control answers within 4."""

BODY_BYTES_MAX = 256
"""The longest answer of the grid names two values in a sentence."""


class NotSent(Exception):
    """There was no connection: whoever was asked cannot have heard of it."""


class NoAnswer(Exception):
    """It was sent, or some of it, and no whole answer came: what became of it is unknown."""


class _TooLong(Exception):
    pass


@frozen
class Answer:
    status: int
    body: bytes


class Http:
    """Persistent connections to anybody. `close` them at the end.

    :param token: what is presented; None for nothing.
    """

    def __init__(self, reactor: Any, token: bytes | None = None) -> None:
        self._reactor = reactor
        self._token = token
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._client = HTTPClient(Agent(reactor, connectTimeout=CONNECT_TIMEOUT_S, pool=self._pool))

    async def ask(
        self,
        address: VaultAddress,
        body: bytes | None = None,
        headers: Headers | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """GET, or POST where there is a body.

        :raises NotSent:
        :raises NoAnswer: after `timeout_s`, too.
        """
        asked = defer.Deferred.fromCoroutine(self._ask(address, body, headers))
        try:
            return await stoppable(asked.addTimeout(timeout_s, self._reactor))
        except defer.CancelledError:
            raise  # those are connection errors where a connection has them
        except (ConnectError, ConnectingCancelledError, DNSLookupError) as error:
            raise NotSent(str(error)) from error
        except (defer.TimeoutError, _TooLong, RequestGenerationFailed, *CONNECTION_ERRORS) as error:
            raise NoAnswer(str(error)) from error

    async def _ask(self, address: VaultAddress, sent: bytes | None, headers: Headers | None) -> Answer:
        method = "GET" if sent is None else "POST"
        if self._token is not None:
            headers = Headers() if headers is None else headers.copy()
            headers.setRawHeaders(b"Authorization", [b"Bearer " + self._token])
        response: IResponse = await self._client.request(
            method, f"http://{address}/", data=sent, headers=headers, allow_redirects=False, unbuffered=True
        )
        body = b""

        def collect(data: bytes) -> None:
            nonlocal body
            body += data
            if len(body) > BODY_BYTES_MAX:
                raise _TooLong(f"the answer of {address} is longer than {BODY_BYTES_MAX} bytes")

        await treq.collect(response, collect)
        return Answer(response.code, body)

    async def close(self) -> None:
        await self._pool.closeCachedConnections()
