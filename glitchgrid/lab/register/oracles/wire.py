"""The wire's table, row by row: what is sent to a server that is well, and the whole answer that it has to give.

An answer is compared in full: status, body, and each field of its head, none missing and none to spare. What the rows
store is what the grid holds already.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import stringToDatetime
from zope.interface import implementer

from glitchgrid.lab.register.oracles.contract import majority
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.wire import FENCED_HEADER, GUARD_HEADER, GUARD_INCREASE, IDENTITY_HEADER

TEXT = b"text/plain; charset=utf-8"
ALLOWED = b"GET, HEAD, POST"
REQUEST_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 60.0
SOON_S = 1.0
LATE_S = 0.5
"""How much later than its deadline something may be seen to happen here: clocks drift, and segments take their time."""

DATE_S = 2
_HEAD = re.compile(rb"(HTTP/1\.[01]) ([0-9]{3}) ([^\r\n]*)\r\n((?:[^\r\n]+\r\n)*)\r\n")
_OWN = frozenset({b"date"})
"""Fields of Twisted's, which have a value of their own or none."""

FAILS_FROM = 400
REQUEST_ID = b"x-request-id"
_REQUEST_ID = re.compile(rb"[0-9a-f]{16}")

VAULT, CONTROL = "vault", "control"


@frozen
class Known:
    """What an answer depends on.

    :ivar value: what the whole grid holds; 1 or more.
    :ivar vaults: how many there are.
    :ivar identity: of a vault; None for a control.
    :ivar fenced: whom a vault names beside its value; empty for nobody.
    :ivar late_s: so long after it was sent the client may read an answer, for it does not listen at first.
    """

    kind: str
    value: int
    vaults: int
    identity: bytes | None
    wall_s: Callable[[], float]
    fenced: bytes = b""
    late_s: float = 0.0


@frozen
class Expected:
    """One answer.

    :ivar fields: what its head has beside what all heads have, by names in lower case.
    :ivar or_body: other bodies that are right, too.
    :ivar is_refusal: it comes out of turn, and the connection ends behind it.
    """

    status: int
    body: bytes
    fields: dict[bytes, bytes] = field(factory=dict)
    has_body: bool = True
    is_refusal: bool = False
    version: bytes = b"HTTP/1.1"
    or_body: tuple[bytes, ...] = ()

    @property
    def is_vote(self) -> bool:
        """Does a vault say what it holds?"""
        return self.status in {200, 412} and self.body.isdigit()

    def _fields(self, body: bytes, known: Known) -> dict[bytes, bytes]:
        fields = {b"content-type": TEXT, b"content-length": b"%d" % len(body)} | self.fields
        if known.identity is not None:
            fields[IDENTITY_HEADER.lower()] = known.identity
        if known.fenced and self.is_vote:
            fields[FENCED_HEADER.lower()] = known.fenced
        if self.is_refusal:
            fields[b"connection"] = b"close"
        return fields

    def problem(self, found: "Answered", known: Known) -> str | None:
        """How an answer differs, in words."""
        phrase = HTTPStatus(self.status).phrase.encode("ascii")
        line = b"%b %d %b" % (self.version, self.status, phrase)
        if found.line != line:
            return f"it begins with {_text(found.line)}, and not with {_text(line)}"
        body = found.body if found.body in self.or_body else self.body
        fields = self._fields(body, known)
        rest = [(name, value) for name, value in found.fields if name not in _OWN]
        if self.status >= FAILS_FROM:
            named = [(name, value) for name, value in rest if name == REQUEST_ID]
            if len(named) != 1 or not _REQUEST_ID.fullmatch(named[0][1]):
                return f"its head has {_shown(named)} for an id, and has failed"
            rest.remove(named[0])
        if sorted(rest) != sorted(fields.items()):
            return f"its head has {_shown(rest)}, and not {_shown(fields.items())}"
        if found.body != (body if self.has_body else b""):
            return f"its body is {_text(found.body)}, and not {_text(self.body)}"
        return _problem_of_date(found, known)


@frozen
class Answered:
    """One answer that came, with the fields of its head by names in lower case."""

    line: bytes
    fields: Sequence[tuple[bytes, bytes]]
    body: bytes


def _problem_of_date(found: Answered, known: Known) -> str | None:
    dates = [value for name, value in found.fields if name == b"date"]
    if len(dates) != 1:
        return f"it has {len(dates)} dates"
    try:
        said_s = stringToDatetime(dates[0])
    except ValueError:
        said_s = None
    if said_s is None or not -DATE_S <= known.wall_s() - said_s <= DATE_S + known.late_s:
        return f"its date is {_text(dates[0])}, which is not the time there"
    return None


def _text(data: bytes) -> str:
    return repr(data.decode("utf-8", "backslashreplace"))


def _shown(fields: Any) -> str:
    return (
        ", ".join(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in sorted(fields)) or "nothing"
    )


CONTINUE = Expected(100, b"")


@frozen
class Row:
    """:ivar sends: what, and how long after what was sent before, in seconds.
    :ivar kinds: whom it is sent to.
    :ivar expects: the answers, in order.
    :ivar closes: the server ends the connection behind them; else it is still open a moment later.
    :ivar half_closes: the client says that it sends no more.
    :ivar after_s: how long after the beginning the last answer comes: not before, and soon.
    :ivar closes_after_s: how long after the last answer the connection ends.
    """

    name: str
    sends: Callable[[Known], Sequence[tuple[float, bytes]]]
    expects: Callable[[Known], Sequence[Expected]]
    kinds: tuple[str, ...] = (VAULT, CONTROL)
    closes: bool = False
    half_closes: bool = False
    after_s: float = 0.0
    closes_after_s: float = 0.0


def _head(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: grid", *fields, b"", b""])


def post(body: bytes, *fields: bytes) -> bytes:
    return _head(b"POST /", *fields, b"Content-Length: %d" % len(body)) + body


def _at_once(data: bytes) -> Callable[[Known], Sequence[tuple[float, bytes]]]:
    return lambda _known: [(0.0, data)]


def _says(known: Known, body: bytes) -> Expected:
    """The answer to a store of what the grid holds."""
    if known.kind == VAULT:
        return Expected(200, body)
    vaults = known.vaults
    told = [b"Sent updates to %d/%d vaults" % (count, vaults) for count in range(majority(vaults), vaults + 1)]
    return Expected(200, told[-1], or_body=tuple(told))


def _value(known: Known) -> bytes:
    return b"%d" % known.value


def _read(known: Known) -> Expected:
    return Expected(200, _value(known))


def _always(*expected: Expected) -> Callable[[Known], Sequence[Expected]]:
    return lambda _known: expected


NOT_FOUND = Expected(404, b"Not found")
NOT_ALLOWED = Expected(405, b"Method not allowed", {b"allow": ALLOWED})
INVALID = Expected(400, b"Invalid or missing POST body")
BAD = Expected(400, b"Bad request", is_refusal=True)
TOO_LARGE = Expected(413, b"POST body is too large", is_refusal=True)
TOO_LATE = Expected(408, b"Request took too long to arrive", is_refusal=True)
_GUARD = GUARD_HEADER + b": " + GUARD_INCREASE
_GUARDED = {GUARD_HEADER.lower(): GUARD_INCREASE}
GET = _head(b"GET /")
PIPELINED = 40
"""More than are answered in one turn of a reactor."""

BYTE_EVERY_S = 0.5


def _byte_by_byte(data: bytes) -> list[tuple[float, bytes]]:
    return [(BYTE_EVERY_S, data[place : place + 1]) for place in range(len(data))]


def _simple(name: str, data: bytes, *expected: Expected, closes: bool = False) -> Row:
    return Row(name, _at_once(data), _always(*expected), closes=closes or expected[-1].is_refusal)


def _two_reads(known: Known) -> Sequence[Expected]:
    return [_read(known)] * 2


def _decrease(known: Known) -> Expected:
    if known.kind == CONTROL:
        return Expected(400, b"Client would make value decrease from %d to %d" % (known.value, known.value - 1))
    return Expected(412, _value(known), _GUARDED)


def _ready(known: Known) -> Expected:
    checks = (b"open", b"disk", b"disk-thread", b"roster") if known.kind == VAULT else (b"majority",)
    return Expected(200, b"".join(b"[+]%b ok\n" % check for check in checks) + b"readyz check passed\n")


ROWS: tuple[Row, ...] = (
    Row("a read", _at_once(GET), lambda known: [_read(known)]),
    Row(
        "a head alone",
        _at_once(_head(b"HEAD /")),
        lambda known: [Expected(200, _value(known), has_body=False)],
    ),
    Row("another form of target", _at_once(_head(b"GET http://x.test/")), lambda known: [_read(known)]),
    Row("an odd but good host", _at_once(b"GET / HTTP/1.1\r\nhOsT: [::1]:8000\r\n\r\n"), lambda known: [_read(known)]),
    Row(
        "HTTP/1.0",
        _at_once(b"GET / HTTP/1.0\r\n\r\n"),
        lambda known: [Expected(200, _value(known), version=b"HTTP/1.0")],
        closes=True,
    ),
    Row(
        "a close that is asked for",
        _at_once(_head(b"GET /", b"Connection: x", b"Connection: keep-alive, Close")),
        lambda known: [Expected(200, _value(known), {b"connection": b"close"})],
        closes=True,
    ),
    Row("a connection that is to be kept", _at_once(_head(b"GET /", b"Connection: keep-alive") * 2), _two_reads),
    Row("an end behind the request", _at_once(GET), lambda known: [_read(known)], closes=True, half_closes=True),
    Row("many in one piece", _at_once(GET * PIPELINED), lambda known: [_read(known)] * PIPELINED),
    Row(
        "many and an end",
        _at_once(GET * PIPELINED),
        lambda known: [_read(known)] * PIPELINED,
        closes=True,
        half_closes=True,
    ),
    Row(
        "a store in every form",
        lambda known: [(0.0, post(b" \t000%d\r\n" % known.value, b"Content-Type: application/x-www-form-urlencoded"))],
        lambda known: [_says(known, _value(known))],
    ),
    Row(
        "the longest body",
        lambda known: [(0.0, post(_value(known).rjust(64)))],
        lambda known: [_says(known, _value(known))],
    ),
    Row(
        "a store in chunks",
        lambda known: [
            (0.0, _head(b"POST /", b"Transfer-Encoding: chunked") + _chunked(_value(known))),
            (0.1, GET),
        ],
        lambda known: [_says(known, _value(known)), _read(known)],
    ),
    Row(
        "a store that asks first",
        lambda known: [
            (0.0, _head(b"POST /", b"Expect: 100-continue", b"Content-Length: %d" % len(_value(known)))),
            (0.2, _value(known)),
        ],
        lambda known: [CONTINUE, _says(known, _value(known))],
    ),
    Row(
        "a store that asks first behind a read",
        lambda known: [
            (0.0, GET + _head(b"POST /", b"Expect: 100-continue", b"Content-Length: %d" % len(_value(known)))),
            (0.2, _value(known)),
        ],
        lambda known: [_read(known), CONTINUE, _says(known, _value(known))],
    ),
    Row(
        "a guarded store of an equal value",
        lambda known: [(0.0, post(_value(known), _GUARD))],
        lambda known: [Expected(200, _value(known), _GUARDED)],
        (VAULT,),
    ),
    Row(
        "a decrease",
        lambda known: [(0.0, GET), (0.5, post(b"%d" % (known.value - 1), _GUARD))],
        lambda known: [_read(known), _decrease(known)],  # a control knows its floor from then on
        after_s=0.5,
    ),
    Row(
        "a guard that nobody knows",
        lambda known: [(0.0, post(_value(known), GUARD_HEADER + b": decrease"))],
        _always(Expected(400, b"Unknown Glitchgrid-Guard")),
        (VAULT,),
    ),
    _simple("no body", _head(b"POST /"), INVALID),
    _simple("nothing stored", post(b"0"), INVALID),
    _simple("a digit of another script", post("٣".encode()), INVALID),
    _simple("a sign and a line", post(b"+5"), INVALID),
    _simple("the first number that is too large", post(b"9223372036854775808"), INVALID),
    _simple("a body that is too long", post(b"9" * 65), TOO_LARGE),
    _simple("a length that is too long", _head(b"POST /", b"Content-Length: 65"), TOO_LARGE),
    _simple("a body that is far too long", _head(b"POST /", b"Content-Length: 99999999999999999999"), TOO_LARGE),
    _simple("a length that is none", _head(b"POST /", b"Content-Length: x" + b"9" * 30), BAD),
    _simple(
        "chunks that are too long", _head(b"POST /", b"Transfer-Encoding: chunked") + b"41\r\n" + b"9" * 65, TOO_LARGE
    ),
    _simple("is it live", _head(b"GET /livez"), Expected(200, b"ok")),
    _simple("is it ready", _head(b"GET /readyz?x"), Expected(200, b"ok")),
    Row("is it ready, and why", _at_once(_head(b"GET /readyz?verbose")), lambda known: [_ready(known)]),
    _simple("another path", _head(b"GET /status/x"), NOT_FOUND),
    _simple("a path with slashes", _head(b"GET //"), NOT_FOUND),
    _simple("a path that is no text", _head(b"GET /%ff"), NOT_FOUND),
    _simple("a store to another path", _head(b"POST /x"), NOT_FOUND),
    _simple("another method", _head(b"DELETE /"), NOT_ALLOWED),
    _simple("a method in small letters", _head(b"get /"), NOT_ALLOWED),
    _simple("a question for the server", _head(b"OPTIONS *"), NOT_ALLOWED),
    _simple("no target", _head(b"GET x"), BAD),
    _simple("no host", b"GET / HTTP/1.1\r\n\r\n", BAD),
    _simple("two hosts", _head(b"GET /", b"Host: other"), BAD),
    _simple("a host that is none", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BAD),
    _simple("a coding that is none", _head(b"POST /", b"Transfer-Encoding: identity") + b"GET / HTTP/1.1\r\n", BAD),
    _simple("a field that is too long", _head(b"GET /", b"X: " + b"x" * 17_000), BAD),
    _simple("another protocol", b"\x16\x03\x01\x02\x00", BAD),
    _simple("another protocol's lines", b"\x00\x01\r\n\r\n", BAD),
    Row("half a head and an end", _at_once(GET[:-4]), _always(BAD), closes=True, half_closes=True),
    Row("an end alone", _at_once(b""), _always(), closes=True, half_closes=True),
    Row("half a head", _at_once(GET[:20]), _always(TOO_LATE), closes=True, after_s=REQUEST_TIMEOUT_S),
    Row("half a line", _at_once(b"GE"), _always(TOO_LATE), closes=True, after_s=REQUEST_TIMEOUT_S),
    Row("half a body", _at_once(post(b"12345")[:-4]), _always(TOO_LATE), closes=True, after_s=REQUEST_TIMEOUT_S),
    Row(
        "a slow one",
        lambda _known: [(0.0, b"G"), *_byte_by_byte(GET[1:])],
        _always(TOO_LATE),
        closes=True,
        after_s=REQUEST_TIMEOUT_S,
    ),
    Row(
        "a whole one and then half a head",
        lambda _known: [(0.0, GET), (1.0, GET[:20])],
        lambda known: [_read(known), TOO_LATE],
        closes=True,
        after_s=1.0 + REQUEST_TIMEOUT_S,
    ),
    Row(
        "a rest between two",
        lambda _known: [(0.0, GET), (REQUEST_TIMEOUT_S + 2, GET), (REQUEST_TIMEOUT_S + 2, GET)],
        lambda known: [_read(known)] * 3,
        after_s=2 * (REQUEST_TIMEOUT_S + 2),
    ),
    Row(
        "nothing more",
        lambda known: [(0.0, GET), (2.0, post(_value(known)))],
        lambda known: [_read(known), _says(known, _value(known))],
        closes=True,
        after_s=2.0,
        closes_after_s=IDLE_TIMEOUT_S,
    ),
    Row("nothing at all", _at_once(b""), _always(), closes=True, closes_after_s=IDLE_TIMEOUT_S),
)  # fmt: skip


HOSTILE = (
    "half a head",
    "half a body",
    "a slow one",
    "a body that is too long",
    "chunks that are too long",
    "another protocol",
    "a digit of another script",
    "another method",
)
"""What clients send who mean no good. None of it stores anything, and no answer depends on what is stored."""

BY_NAME = {row.name: row for row in ROWS}


def _chunked(data: bytes) -> bytes:
    return b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n"


@implementer(IHalfCloseableProtocol)
class Inquiry(Protocol):
    """Sends a row, and keeps what comes.

    :param told: is called once nothing more is to be waited for.
    """

    transport: Any

    def __init__(
        self, reactor: Any, now_ns: Callable[[], int], row: Row, known: Known, told: Callable[["Inquiry"], object]
    ) -> None:
        self._reactor = reactor
        self._told = told
        self._now_ns = now_ns
        self.row = row
        self.known = known
        self.expected = list(row.expects(known))
        self._received = b""
        self._answers: list[Answered] = []
        self._problem: str | None = None
        self.is_over = self._has_left = False
        self._ended_ns: int | None = None
        self.begun_ns = self._last_ns = 0

    def connectionMade(self) -> None:
        self.begun_ns = self._last_ns = self._now_ns()
        self._send(list(self.row.sends(self.known)))
        row = self.row
        longest_s = row.after_s + row.closes_after_s + SOON_S + LATE_S + 1
        self._reactor.callLater(longest_s, self._leave)

    def _send(self, parts: list[tuple[float, bytes]]) -> None:
        if not self.connected or self._ended_ns is not None:
            return
        _, data = parts.pop(0)
        if data:
            self.transport.write(data)
        if parts:
            self._reactor.callLater(parts[0][0], self._send, parts)
        elif self.row.half_closes:
            self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        while self._problem is None and self._take():
            self._last_ns = self._now_ns()

    def _take(self) -> bool:
        """Take one answer out of what has come, and compare it."""
        head = _HEAD.match(self._received)
        if head is None:
            return False
        fields = [_field(line) for line in head[4].split(b"\r\n")[:-1]]
        place = len(self._answers)
        if place >= len(self.expected):
            self._problem = "it is one too many"
            return False
        expected = self.expected[place]
        lengths = [int(value) for name, value in fields if name == b"content-length" and value.isdigit()]
        size = lengths[0] if lengths and expected.has_body else 0
        rest = self._received[head.end() :]
        if len(rest) < size:
            return False
        answered = Answered(b" ".join(head.groups()[:3]), fields, rest[:size])
        self._received = rest[size:]
        self._answers.append(answered)
        if expected is CONTINUE:
            self._problem = None if (answered.line, fields) == (b"HTTP/1.1 100 Continue", []) else "it does not go on"
        else:
            self._problem = expected.problem(answered, self.known)
        return True

    def readConnectionLost(self) -> None:
        self._ended_ns = self._now_ns()
        self._leave()

    def writeConnectionLost(self) -> None:
        """The sending side was closed by this client itself."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._ended_ns is None and not self._has_left:
            self._ended_ns = self._now_ns()
            if reason is not None and not reason.check(type(connectionDone.value)):
                self._problem = self._problem or f"the connection broke: {reason.getErrorMessage()}"
        self._over()

    def _leave(self) -> None:
        self._has_left = True
        if self.connected:
            self.transport.abortConnection()
        self._over()

    def _over(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._told(self)

    @property
    def has_answered(self) -> bool:
        """Have all answers come?"""
        return len(self._answers) >= len(self.expected)

    @property
    def problem(self) -> str | None:
        """What was not as the table has it."""
        if self._problem is not None:
            return f"answer {max(1, len(self._answers))} is wrong: {self._problem}"
        if self._received:
            return f"{len(self._received)} bytes came that are no answer: {_text(self._received[:80])}"
        if len(self._answers) < len(self.expected):
            return f"{len(self._answers)} of {len(self.expected)} answers came"
        return self._problem_of_time()

    def _problem_of_time(self) -> str | None:
        row = self.row
        took_s = (self._last_ns - self.begun_ns) / SECOND_NS
        if self.expected and not row.after_s - LATE_S <= took_s <= row.after_s + (LATE_S if row.after_s else SOON_S):
            return f"its last answer came after {took_s:.2f} s"
        if not row.closes:
            return None if self._ended_ns is None else "its connection was ended"
        if self._ended_ns is None:
            return "its connection was not ended"
        open_s = (self._ended_ns - self._last_ns) / SECOND_NS
        if not row.closes_after_s - LATE_S <= open_s <= row.closes_after_s + LATE_S:
            return f"its connection was ended {open_s:.2f} s after that"
        return None


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")
