"""Values as histories have them: all of them hashable, so that they can be a state."""

import enum
import json
import math
from collections.abc import Hashable

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DEPTH_MAX = 32
"""The deepest nesting that is read."""


class NotAValue(ValueError):
    """A number beyond 64 bits, a text that cannot be written, or nesting beyond `DEPTH_MAX`."""


class Keyword(str):
    """A keyword of EDN, without its colon. It equals the text: ``:read`` is "read" in another format."""

    __slots__ = ()


class Truth(enum.Enum):
    """True and false. Python's own equal 1 and 0, and a register that holds 1 does not hold true."""

    TRUE = "true"
    FALSE = "false"

    def __bool__(self) -> bool:
        return self is Truth.TRUE

    def __str__(self) -> str:
        return self.value


class Map(dict[Hashable, Hashable]):
    """A map that is not changed any more."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def frozen_value(value: object, depth: int = 0) -> Hashable:
    """A value of JSON as a hashable one: arrays are tuples, objects are `Map`, booleans are `Truth`.

    :raises NotAValue: for what histories do not have.
    """
    if depth > DEPTH_MAX:
        raise NotAValue(f"it is nested more than {DEPTH_MAX} deep")
    if isinstance(value, list):
        return tuple(frozen_value(each, depth + 1) for each in value)
    if isinstance(value, dict):
        return Map((whole_text(key), frozen_value(item, depth + 1)) for key, item in value.items())
    if isinstance(value, bool):
        return Truth.TRUE if value else Truth.FALSE
    if isinstance(value, str):
        return whole_text(value)
    return whole_number(value) if isinstance(value, int | float) else None


def whole_text(text: str) -> str:
    """:raises NotAValue: for a text with half of a surrogate pair, which has no UTF-8."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise NotAValue("a text has half of a surrogate pair")
    return text


def whole_number(number: float) -> float:
    """:raises NotAValue: for a number beyond 64 bits."""
    if isinstance(number, int):
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            raise NotAValue(f"{str(number)[:24]} is beyond 64 bits")
    elif not math.isfinite(number):
        raise NotAValue("a number is beyond 64 bits")
    return number


def edn_text(value: Hashable) -> str:
    """A value in EDN, the same for equal values."""
    if value is None:
        return "nil"
    if isinstance(value, Keyword):
        return f":{value}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _collection_text(value) if isinstance(value, tuple | frozenset | Map) else str(value)


def _collection_text(value: tuple[Hashable, ...] | frozenset[Hashable] | Map) -> str:
    if isinstance(value, Map):
        return "{" + ", ".join(f"{edn_text(key)} {edn_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, frozenset):
        return "#{" + " ".join(sorted(map(edn_text, value))) + "}"
    return "[" + " ".join(map(edn_text, value)) + "]"


def json_value(value: Hashable) -> object:
    """A value as JSON has it.

    A set is an array in the order of its EDN, a map with keys that are no texts an array of pairs.
    """
    if isinstance(value, Map):
        if all(isinstance(key, str) for key in value):
            return {key: json_value(item) for key, item in value.items()}
        return [[json_value(key), json_value(item)] for key, item in value.items()]
    if isinstance(value, tuple | frozenset):
        items = sorted(value, key=edn_text) if isinstance(value, frozenset) else value
        return [json_value(each) for each in items]
    if isinstance(value, Truth):
        return bool(value)
    return value if value is None or isinstance(value, int | float | str) else str(value)
