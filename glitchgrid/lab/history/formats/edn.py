"""EDN, the data notation of Clojure (https://github.com/edn-format/edn), as far as histories need it.

A reader of ours, although PyPI has others: those give a whole file at once and no positions, and a history that breaks
its rules is to be told with its line and its offset.

===========================  ====================================
nil, true, false             None, `Truth`
integers, floats             int, float; N and M behind them are read over
strings, characters          str
keywords, symbols            `Keyword`, str
vectors, lists               tuple
maps                         `Map`
sets                         frozenset
tagged values (#inst ...)    the value behind the tag
comments, commas, #_         nothing
===========================  ====================================
"""

import re
from collections.abc import Hashable, Iterator

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.formats.values import (
    DEPTH_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    Keyword,
    Map,
    NotAValue,
    Truth,
    whole_number,
    whole_text,
)

_TOKEN = re.compile(
    r"""(?:[\s,]++|;[^\n]*+)*+
    (?: (?P<open>\#?\{|[\[(])
      | (?P<close>[\])}])
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<discard>\#_)
      | (?P<tag>\#[^\s,()\[\]{}";]+)
      | (?P<character>\\(?:[^\s,()\[\]{}";]+|.))
      | (?P<atom>[^\s,()\[\]{}";\#\\]+)
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"(?:[\s,]++|;[^\n]*+)*+")
_INTEGER = re.compile(r"[+-]?\d+N?")
_FLOAT = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?M?")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_CHARACTERS = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r", "formfeed": "\f", "backspace": "\b"}
_CLOSES = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_NAMED: dict[str, Hashable] = {"nil": None, "true": Truth.TRUE, "false": Truth.FALSE}


def read_forms(text: str) -> Iterator[tuple[int, Hashable]]:
    """The values of a text, each with its offset in characters. Those of a vector or list at the top, if that is all.

    :raises HistoryInvalid: at the first place that is no EDN; with its line.
    """
    reader = _Reader(text)
    first = reader.peek()
    if first in {"[", "("}:
        yield from reader.items()
    yield from reader.forms()


def read_values(text: str) -> Iterator[tuple[int, Hashable]]:
    """The values of a text, one behind the other, each with its offset in characters.

    :raises HistoryInvalid: at the first place that is no EDN; with its line.
    """
    return _Reader(text).forms()


def line_of(text: str, offset: int) -> int:
    """The line of a place, from 1 on."""
    return text.count("\n", 0, offset) + 1


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._token_at = 0

    def peek(self) -> str:
        """The next token, which stays the next one."""
        at = self._at
        _, token = self._token()
        self._at = at
        return token

    def items(self) -> Iterator[tuple[int, Hashable]]:
        """What is in the vector that begins here."""
        _, opened = self._token()
        begun = self._token_at
        while True:
            group, token = self._next(0)
            if group == "close" and token == _CLOSES[opened]:
                return
            if group == "end":
                raise self._invalid(f"the {opened} of line {line_of(self._text, begun)} is never closed")
            at = self._token_at
            yield at, self._value(group, token, 0)

    def forms(self) -> Iterator[tuple[int, Hashable]]:
        """What is at the top, up to the end."""
        while True:
            group, token = self._next(0)
            if group == "end":
                return
            at = self._token_at
            yield at, self._value(group, token, 0)

    def _token(self) -> tuple[str, str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            blank = _BLANK.match(self._text, self._at)
            self._token_at = self._at if blank is None else blank.end()
            raise self._invalid("it is not EDN here, or is cut off")
        self._at = found.end()
        self._token_at = found.start(found.lastgroup)
        return found.lastgroup, found[found.lastgroup]

    def _next(self, depth: int) -> tuple[str, str]:
        """The next token of a value that is not discarded."""
        self._require_depth(depth)
        group, token = self._token()
        while group == "discard":
            self._value(*self._next(depth + 1), depth + 1)
            group, token = self._token()
        return group, token

    def _require_depth(self, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise self._invalid(f"it is nested more than {DEPTH_MAX} deep")

    def _value(self, group: str, token: str, depth: int) -> Hashable:
        if group == "atom":
            return self._atom(token)
        if group == "string":
            return self._string(token[1:-1])
        if group == "open":
            return self._collection(token, depth + 1)
        if group == "tag" and token.startswith("##"):
            raise self._invalid(f"{token} is no number that can be compared")
        if group == "tag":
            return self._value(*self._next(depth + 1), depth + 1)
        if group == "character":
            return _CHARACTERS.get(token[1:], token[1:])
        raise self._invalid("it ends in the middle of a value" if group == "end" else f"a {token} closes nothing")

    def _string(self, inner: str) -> str:
        text = _ESCAPE.sub(self._unescaped, inner)
        try:
            return whole_text(text.encode("utf-16", "surrogatepass").decode("utf-16"))
        except ValueError:
            raise self._invalid("a text has half of a surrogate pair") from None

    def _atom(self, token: str) -> Hashable:
        if token[0] == ":":
            return Keyword(token[1:])
        if token in _NAMED:
            return _NAMED[token]
        if _INTEGER.fullmatch(token):
            return self._integer(token.rstrip("N"))
        if _FLOAT.fullmatch(token):
            return self._float(token.rstrip("M"))
        return token

    def _integer(self, digits: str) -> int:
        number = int(digits) if len(digits) <= len(str(INTEGER_MIN)) else INTEGER_MAX + 1
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            raise self._invalid(f"{digits[:24]} is beyond 64 bits")
        return number

    def _float(self, digits: str) -> float:
        try:
            return whole_number(float(digits))
        except NotAValue as error:
            raise self._invalid(str(error)) from None

    def _unescaped(self, escape: re.Match[str]) -> str:
        name = escape[1]
        if len(name) > 1:
            return chr(int(name[1:], 16))
        if name not in _ESCAPED:
            raise self._invalid(f"\\{name} is no escape of EDN")
        return _ESCAPED[name]

    def _collection(self, opened: str, depth: int) -> Hashable:
        self._require_depth(depth)
        begun = self._token_at
        values: list[Hashable] = []
        while True:
            group, token = self._next(depth)
            if group == "close":
                break
            if group == "end":
                self._token_at = begun
                raise self._invalid(f"the {opened} here is never closed: the file is cut off")
            values.append(self._value(group, token, depth))
        if token != _CLOSES[opened]:
            raise self._invalid(f"a {token} closes a {opened}")
        return self._collected(opened, values, begun)

    def _collected(self, opened: str, values: list[Hashable], begun: int) -> Hashable:
        if opened == "{":
            if len(values) % 2:
                self._token_at = begun
                raise self._invalid("a map has a key without a value")
            return Map(zip(values[::2], values[1::2], strict=True))
        return frozenset(values) if opened == "#{" else tuple(values)

    def _invalid(self, problem: str) -> HistoryInvalid:
        return HistoryInvalid(line_of(self._text, self._token_at), problem, self._token_at)
