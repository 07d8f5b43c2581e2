"""How to write to a contender and read from it: the grid's way, and that of etcd's JSON gateway.

`load.lua` speaks both too, for the load itself.
"""

import base64
import http.client
import json
import ssl
from pathlib import Path
from typing import NamedTuple, Protocol

HOST = "127.0.0.1"
TIMEOUT_S = 6.0

ETCD_KEY = base64.b64encode(b"register").decode("ascii")


class Reading(NamedTuple):
    """What a read gave.

    `position` is what each acknowledged write moves up by one at least: the grid's value, as it only increases;
    etcd's revision, as it stores what comes last.
    """

    value: int
    position: int


class Dialect(Protocol):
    """:ivar name: what load.lua is told.
    :ivar scheme: of its URL.
    """

    name: str
    scheme: str

    def read(self, port: int) -> Reading | None:
        """None where there was no answer, or none with a value."""

    def write(self, port: int, value: int) -> bool: ...


class GridDialect:
    name = "grid"
    scheme = "http"

    def _connect(self, port: int) -> http.client.HTTPConnection:
        return _connect(port)

    def read(self, port: int) -> Reading | None:
        status, body = _ask(self._connect(port), "GET", "/", None)
        if status != http.client.OK:
            return None
        return Reading(int(body), int(body)) if body.isascii() and body.isdigit() else Reading(-1, -1)

    def write(self, port: int, value: int) -> bool:
        return _ask(self._connect(port), "POST", "/", str(value))[0] == http.client.OK


class SecureGridDialect(GridDialect):
    """:param authority: the file of the certificate that servers' certificates come from."""

    scheme = "https"

    def __init__(self, authority: Path) -> None:
        self._authority = authority

    def _connect(self, port: int) -> http.client.HTTPConnection:
        believed = ssl.create_default_context(cafile=str(self._authority))
        return http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT_S, context=believed)


class EtcdDialect:
    name = "etcd"
    scheme = "http"

    def read(self, port: int) -> Reading | None:
        status, body = _ask(_connect(port), "POST", "/v3/kv/range", json.dumps({"key": ETCD_KEY}))
        if status != http.client.OK:
            return None
        answer = json.loads(body)
        value = int(base64.b64decode(answer["kvs"][0]["value"])) if "kvs" in answer else 0
        return Reading(value, int(answer["header"]["revision"]))

    def write(self, port: int, value: int) -> bool:
        encoded = base64.b64encode(str(value).encode("ascii")).decode("ascii")
        body = json.dumps({"key": ETCD_KEY, "value": encoded})
        return _ask(_connect(port), "POST", "/v3/kv/put", body)[0] == http.client.OK


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None) -> tuple[int, str]:
    """Status 0 where no answer came."""
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
