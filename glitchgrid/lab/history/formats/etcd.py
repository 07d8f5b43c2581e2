"""Records of etcd's robustness tests: one operation in each line, with its call and its return.

The form is that of Porcupine's operations with etcd's requests and responses in them, as etcd-io/etcd has them in
``tests/robustness/testdata``::

    {"ClientId": 1, "Input": {"Type": "txn", ...}, "Call": 3255424892, "Output": {...}, "Return": 3256167548}

An output with an error is that of a request which etcd may have carried out, or not; the same
holds of one that says ``Persisted``, whose client has heard nothing: when it was in etcd's log is not recorded. A
``ClientError`` is an answer, such as of a revision that is yet to come: nothing was changed.

=========  =========================================================================================
function   argument; result
=========  =========================================================================================
range      start, end, limit; the revision, the pairs of keys and values, their count
txn        conditions, what is done when they hold, and otherwise; the revision, whether they failed, the results
others     the request's fields; the revision
=========  =========================================================================================
"""

import json
from collections.abc import Iterable
from typing import Any

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.formats.values import NotAValue, frozen_value
from glitchgrid.lab.history.operation import OPERATIONS_MAX, UNKNOWN, History, Operation, Outcome

FIELDS = ("ClientId", "Input", "Call", "Output", "Return")
_REQUESTS = {
    "range": "Range",
    "txn": "Txn",
    "leaseGrant": "LeaseGrant",
    "leaseRevoke": "LeaseRevoke",
    "defragment": "Defragment",
    "compact": "Compact",
}


def read_records(lines: Iterable[str]) -> History:
    """The history of these records. What touches overlaps.

    :raises HistoryInvalid: for the first line that is no such record.
    """
    operations = [_operation(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(operations) > OPERATIONS_MAX:
        raise HistoryInvalid(OPERATIONS_MAX + 1, f"{OPERATIONS_MAX} operations are the most")
    operations.sort(key=lambda each: each.call_ns)
    return History(tuple(operations))


def _operation(line: str, number: int) -> Operation:
    try:
        record = json.loads(line)
        client, request, call_ns, response, return_ns = (record[name] for name in FIELDS)
        function = request["Type"]
        argument = frozen_value(request[_REQUESTS[function]])
        outcome = _outcome(response)
        result = frozen_value(_result(response, function)) if outcome is Outcome.OK else UNKNOWN
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HistoryInvalid(number, f"it is no record of etcd's: {_why(error)}") from None
    has_returned = outcome is not Outcome.AMBIGUOUS  # else it has any number there, from 0 to the largest
    if not isinstance(call_ns, int) or (has_returned and not (isinstance(return_ns, int) and return_ns >= call_ns)):
        raise HistoryInvalid(number, f"its call is {call_ns!r} and its return {return_ns!r}: these are no times")
    end_ns = return_ns if has_returned else None
    return Operation(number, str(client), function, argument, result, call_ns, end_ns, outcome, None, number)


def _outcome(response: dict[str, Any]) -> Outcome:
    if response.get("ClientError"):
        return Outcome.FAILED
    return Outcome.AMBIGUOUS if response.get("Error") or response.get("Persisted") else Outcome.OK


def _result(response: dict[str, Any], function: str) -> dict[str, Any]:
    return {"Revision": response["Revision"], **(response.get(_REQUESTS[function]) or {})}


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}, or one that is not known"
    return str(error) if isinstance(error, NotAValue) else "it is not JSON, or has other fields"
