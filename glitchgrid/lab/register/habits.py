"""How the clients of a simulated grid behave."""

from attrs import field, frozen

from glitchgrid.lab.limits import whole
from glitchgrid.lab.plan.plan import Habits
from glitchgrid.simulation.random_stream import PER_MILLE, RandomStream

CLIENTS_MAX = 100
RETRIES_MAX = 10
MINUTE_MS = 60_000


@frozen
class ClientHabits(Habits):
    """Times are in milliseconds.

    :ivar pause_ms: between two operations, usually.
    :ivar patience_ms: how long a client waits for an answer.
    :ivar leaves_per_mille: how often a client closes its connection in the middle of an operation.
    :ivar hostile: how many clients mean no good.
    :ivar retries: how often a client tries an operation again that was not served.
    :ivar writes_per_mille: how many of a thousand operations are writes; the others read.
    """

    clients: int = field(validator=whole(1, CLIENTS_MAX))
    pause_ms: int = field(validator=whole(1, MINUTE_MS))
    patience_ms: int = field(validator=whole(1, MINUTE_MS))
    leaves_per_mille: int = field(validator=whole(0, PER_MILLE))
    hostile: int = field(validator=whole(0, CLIENTS_MAX))
    retries: int = field(validator=whole(0, RETRIES_MAX))
    writes_per_mille: int = field(default=500, validator=whole(1, PER_MILLE))


PATIENT = ClientHabits(clients=1, pause_ms=1, patience_ms=10_000, leaves_per_mille=0, hostile=0, retries=0)


def draw_habits(rng: RandomStream) -> ClientHabits:
    """For one run."""
    return ClientHabits(
        clients=rng.between(1, 8),
        pause_ms=rng.pick((2, 50, 300)),
        patience_ms=rng.pick((300, 3000, 10_000)),
        leaves_per_mille=rng.pick((0, 0, 50)),
        hostile=rng.pick((0, 0, 0, 1, 3)),
        retries=rng.pick((0, 0, 2)),
        writes_per_mille=rng.pick((250, 500, 500, 800)),
    )
