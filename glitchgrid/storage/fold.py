"""Makes one write of a batch of stores: the value to write, and the answer to each store.

Stores that wait while another is being synced share the next sync. They take effect in the order of their
arrival, exactly as if each had been synced alone (condition 2 of the register's correctness): an unguarded
one sets the value, a guarded one raises it or is refused.
"""

from collections.abc import Iterable

from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest


def fold(durable: int, requests: Iterable[StoreRequest]) -> tuple[int, list[StoreOutcome]]:
    """The value that a batch leaves when it starts from `durable`, and one outcome a request, in order."""
    value = durable
    outcomes: list[StoreOutcome] = []
    for request in requests:
        if request.value >= value:
            outcomes.append(Stored(request.value))
        elif request.guarded:
            outcomes.append(Refused(value))
            continue
        else:
            outcomes.append(Stored(request.value, decreased_from=value))
        value = request.value
    return value, outcomes
