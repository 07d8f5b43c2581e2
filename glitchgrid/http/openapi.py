"""``GET /openapi.json``: the wire, as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0).

For clients that are generated, and for fuzzers. What it says of statuses, types and bodies is held against real servers
by a fuzzer that reads it (tests/end_to_end/test_fuzz.py); docs/reference/wire.md says it for people.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from glitchgrid import __version__
from glitchgrid.errors import (
    BodyTooLarge,
    Changing,
    Forbidden,
    Forming,
    InternalError,
    InvalidValue,
    ListMissing,
    NotFound,
    Rejoining,
    Replaced,
    RequestError,
    RequestTimeout,
    StoreBusy,
    StoreFailed,
    TooManyConnections,
    TooManyOperations,
    Unauthorized,
    UnknownGuard,
)
from glitchgrid.http.naming import REQUEST_ID_HEADER
from glitchgrid.value import BODY_BYTES_MAX, VALUE_MAX
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE, IDENTITY_HEADER, LIST_HEADER

Server = Literal["control", "vault"]
Document = dict[str, Any]

TEXT = "text/plain"
JSON = "application/json"
OPENMETRICS = "application/openmetrics-text"

_NUMBER = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,18})$", "description": "A value, in ASCII digits."}
_VALUE = {
    "type": "string",
    "pattern": r"^[ \t\r\n]{0,8}0{0,8}[1-9][0-9]{0,17}[ \t\r\n]{0,8}$",
    "maxLength": BODY_BYTES_MAX,
    "description": f"From 1 to {VALUE_MAX}, in ASCII digits; leading zeros and white space around it are nothing.",
}
_NAMED = {REQUEST_ID_HEADER.decode("ascii"): {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}}}
_ROSTER = {"type": "string", "pattern": "^glitchgrid-roster 1\n"}
_LISTED = {"type": "string", "pattern": "^The vaults of this grid are "}
_LIST = {
    "name": LIST_HEADER.decode("ascii"),
    "in": "header",
    "description": "SHA-256 over the sender's list of vaults. A vault with a roster takes no store without.",
    "schema": {"type": "string"},
}
_DO_NOT_VOTE: tuple[type[RequestError], ...] = (Forming, Rejoining, Changing, Replaced)
_SENT = {"type": "string", "pattern": "^Sent updates to [0-9]+/[0-9]+ vaults$"}


@cache
def document(server: Server) -> bytes:
    """The document of a kind of server."""
    return json.dumps(_document(server), indent=1).encode("ascii")


def _document(server: Server) -> Document:
    paths = {
        "/": {"get": _read(server), "post": _write(server)},
        "/livez": {"get": _health("Would a restart help? 503 says so.")},
        "/readyz": {"get": _health("Can it do its work now? 503 where not.")},
        "/status": {"get": _told("What it knows of itself.", {JSON: _status(server)})},
        "/metrics": {"get": _told("What it counts.", {TEXT: {"type": "string"}, OPENMETRICS: {"type": "string"}})},
        "/openapi.json": {"get": _told("This document.", {JSON: {"type": "object"}})},
    }
    if server == "vault":
        paths["/roster"] = {"get": _roster()}
        paths["/roster/fence"] = {"post": _fence()}
        paths["/roster/change"] = {"post": _change()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Glitch Grid: a {server}",
            "version": __version__,
            "description": "A replicated register of one value, which only increases.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{}, {"bearer": []}],
        "paths": paths,
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(summary: str, answers: Mapping[str, Document], **more: Any) -> Document:
    return {"summary": summary, "responses": dict(sorted(answers.items())), **more}


def _told(summary: str, content: Mapping[str, Document]) -> Document:
    answer = {"description": "It is told.", "content": {kind: {"schema": schema} for kind, schema in content.items()}}
    return _operation(summary, {"200": answer} | _refusals((Unauthorized, RequestTimeout, TooManyConnections)))


def _health(summary: str) -> Document:
    parameters = [
        {
            "name": "verbose",
            "in": "query",
            "description": "A line for each check, whatever it found.",
            "schema": {"type": "string"},
            "allowEmptyValue": True,
        },
        {
            "name": "exclude",
            "in": "query",
            "description": "A check to leave out.",
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ]
    answers = {
        "200": _text("Yes, or ok where no lines were asked for.", {"type": "string"}),
        "503": _text("No: a line for each check.", {"type": "string"}, _NAMED),
    }
    return _operation(summary, answers | _refusals((RequestTimeout,)), parameters=parameters, security=[])


def _read(server: Server) -> Document:
    answers = {"200": _text("The value.", _NUMBER, _identity(server))}
    if server == "control":
        answers["500"] = _text("No majority of the vaults can say.", {"const": "-1"}, _NAMED)
        return _operation("Read the register.", answers | _refusals((Unauthorized, RequestTimeout, TooManyOperations)))
    answers["409"] = _text("The sender's list of vaults is not this grid's.", _LISTED, _NAMED)
    refusals: Sequence[type[RequestError]] = (Unauthorized, RequestTimeout, *_DO_NOT_VOTE, TooManyConnections)
    return _operation("What this vault holds.", answers | _refusals(refusals), parameters=[_LIST])


def _write(server: Server) -> Document:
    body = {"required": True, "content": {TEXT: {"schema": _VALUE}}}
    common: tuple[type[RequestError], ...] = (Unauthorized, Forbidden, RequestTimeout, BodyTooLarge)
    if server == "control":
        answers = {
            "200": _text("A majority of the vaults has it.", _SENT),
            "400": _text(
                "It is no value, too large a one, or below the floor. Nothing was sent.", {"type": "string"}, _NAMED
            ),
            "500": _text("It may have happened, may still happen, or never.", {"type": "string"}, _NAMED),
        }
        return _operation("Write to the register.", answers | _refusals((*common, TooManyOperations)), requestBody=body)
    answers = {
        "200": _text("It is on the disk.", _NUMBER, _identity(server)),
        "409": _text("The sender's list of vaults is not this grid's.", _LISTED, _NAMED),
        "412": _text("The guard has refused a decrease: what the vault holds.", _NUMBER, _identity(server) | _NAMED),
    }
    guard = {
        "name": GUARD_HEADER.decode("ascii"),
        "in": "header",
        "description": "Store unless that would be a decrease.",
        "schema": {"type": "string", "enum": [GUARD_INCREASE.decode("ascii")]},
    }
    refusals = (*common, InvalidValue, UnknownGuard, ListMissing, StoreFailed, InternalError, *_DO_NOT_VOTE, StoreBusy)
    return _operation("Store a value.", answers | _refusals(refusals), requestBody=body, parameters=[guard, _LIST])


def _roster() -> Document:
    answers = {"200": _text("What it knows of its grid, a line each.", _ROSTER)}
    refusals = (Unauthorized, NotFound, RequestTimeout, TooManyConnections)
    return _operation("The roster, for peers. 404 from a vault without --peers.", answers | _refusals(refusals))


def _fence() -> Document:
    summary = "Have the votes of those count no more whose place a vault takes, for that vault to ask."
    return _of_a_roster(summary, "The asker is not let in.", "Not let in: ")


def _change() -> Document:
    summary = "Do a step of a change of the list of vaults, for 'glitchgrid roster change' to ask."
    return _of_a_roster(summary, "The vault has no part in the change.", "Not changed: ")


def _of_a_roster(summary: str, refused: str, begins: str) -> Document:
    """A question whose answer is what a vault has written down.

    :param refused: what a 409 means, whose text begins so.
    """
    body = {"required": True, "content": {TEXT: {"schema": {"type": "string"}}}}
    answers = {
        "200": _text("It is on the disk: the roster as it is then, and the value.", _ROSTER),
        "409": _text(refused, {"type": "string", "pattern": f"^{begins}"}, _NAMED),
    }
    refusals = (Unauthorized, Forbidden, NotFound, RequestTimeout, BodyTooLarge, StoreFailed)
    return _operation(summary, answers | _refusals(refusals), requestBody=body)


def _identity(server: Server) -> Document:
    if server == "control":
        return {}
    return {
        IDENTITY_HEADER.decode("ascii"): {"required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
    }


def _status(server: Server) -> Document:
    own = ["protocol", "floor", "majority", "vaults"] if server == "control" else ["identity", "value", "disk_failed"]
    common = ["form", "server", "uptime_s", "answered", "health", "limits", "certificates", "versions"]
    return {
        "type": "object",
        "required": common + own,
        "properties": {"form": {"const": 1}, "server": {"const": server}, "uptime_s": {"type": "number", "minimum": 0}},
    }


def _refusals(errors: Iterable[type[RequestError]]) -> dict[str, Document]:
    """Answers in the plain form, one for each status."""
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error.message)
    return {
        str(status): _text("; or: ".join(messages), {"enum": messages}, _NAMED)
        for status, messages in by_status.items()
    }


def _text(description: str, schema: Document, headers: Document | None = None) -> Document:
    answer: Document = {"description": description, "content": {TEXT: {"schema": schema}}}
    return answer | ({"headers": headers} if headers else {})
