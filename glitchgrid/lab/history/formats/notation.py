"""Values of JSON, one after the other, each with its place."""

import json
import re
from collections.abc import Hashable, Iterator

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.formats.values import NotAValue, frozen_value

_BLANK = re.compile(r"[\s,]*")


def _refuse(constant: str) -> object:
    """Refuse NaN and Infinity, which Python takes and JSON does not have."""
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_values(text: str) -> Iterator[tuple[int, int, Hashable]]:
    """The values of a text, one after the other, or those of the one array that it is: line, offset and value of each.

    :raises HistoryInvalid: at the first place that is no JSON.
    """
    found = _BLANK.match(text)
    at = found.end() if found else 0
    is_array = text.startswith("[", at)
    if is_array:
        at += 1
    line, counted = 1, 0
    while True:
        found = _BLANK.match(text, at)
        at = found.end() if found else at
        line += text.count("\n", counted, at)
        counted = at
        if is_array and text.startswith("]", at):
            is_array, at = False, at + 1
            continue
        if at == len(text):
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
            yield line, at, frozen_value(value)
        except NotAValue as error:
            raise HistoryInvalid(line, str(error), at) from None
        except (ValueError, RecursionError):
            raise HistoryInvalid(line, "it is not JSON here, or is cut off", at) from None
        at = end
    if is_array:
        raise HistoryInvalid(line, "the array is never closed: the file is cut off", at)
