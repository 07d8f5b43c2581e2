"""Counts events inside the servers, as lines of the coverage table."""

from collections import Counter

from glitchgrid.observer import Observer
from glitchgrid.outcome import (
    Committed,
    Decreases,
    Holds,
    Inconsistent,
    ReadOutcome,
    Refused,
    StoreOutcome,
    StoreRequest,
    Undecided,
)

EARLY = "a write was committed before every vault had answered"
UNDECIDED = "a write was undecided"
HEALED = "a read healed"
NO_MAJORITY = "a read had no majority"
SHARED = "several clients shared a round"
STRAGGLED = "a vault straggled"
DECLINED = "a decrease was refused"
WAITED = "writes waited for the floor"
RECOVERED = "the floor was recovered"
RESTED = "a vault rested"
OUTGREW = "a read outgrew what it was healing"
REPEATED = "a question was asked again on a fresh connection"
REFUSED = "a vault's guard refused"
BATCHED = "stores shared a sync"
SYNC_FAILED = "a store failed with its sync"
TURNED_DOWN = "a store was refused after a failed sync"
OUT_OF_TURN = "a request was refused out of turn"
FOUND_AGAIN = "a vault found its value again"
TORN = "a vault found a torn slot"

EVENTS = (
    EARLY,
    UNDECIDED,
    HEALED,
    NO_MAJORITY,
    SHARED,
    STRAGGLED,
    DECLINED,
    WAITED,
    RECOVERED,
    RESTED,
    OUTGREW,
    REPEATED,
    REFUSED,
    BATCHED,
    SYNC_FAILED,
    TURNED_DOWN,
    OUT_OF_TURN,
    FOUND_AGAIN,
    TORN,
)


class Coverage(Observer):
    """An observer of all servers of a run that counts for the coverage table."""

    def __init__(self, reached: "Counter[str]") -> None:
        self._reached = reached

    def _see(self, line: str, *, if_: bool = True) -> None:
        if if_:
            self._reached[line] += 1

    # A vault.

    def value_recovered(self, value: int, *, slot_is_damaged: bool) -> None:
        self._see(FOUND_AGAIN, if_=value > 0)
        self._see(TORN, if_=slot_is_damaged)

    def store_answered(self, request: StoreRequest, outcome: StoreOutcome) -> None:
        self._see(REFUSED, if_=isinstance(outcome, Refused))

    def store_turned_down(self) -> None:
        self._see(TURNED_DOWN)

    def sync_failed(self, stores: int) -> None:
        self._see(SYNC_FAILED)

    def batch_settled(self, value: int, stores: int) -> None:
        self._see(BATCHED, if_=stores > 1)

    # A control.

    def write_ended(self, outcome: Committed | Undecided, writes: int) -> None:
        self._see(EARLY, if_=isinstance(outcome, Committed) and outcome.acknowledged < outcome.vaults)
        self._see(UNDECIDED, if_=isinstance(outcome, Undecided))
        self._see(SHARED, if_=writes > 1)

    def write_declined(self, outcome: Decreases) -> None:
        self._see(DECLINED)

    def write_waits(self) -> None:
        self._see(WAITED)

    def floor_recovered(self, floor: int) -> None:
        self._see(RECOVERED)

    def read_ended(self, outcome: ReadOutcome, reads: int, *, healed: bool) -> None:
        self._see(HEALED, if_=healed and isinstance(outcome, Holds))
        self._see(NO_MAJORITY, if_=isinstance(outcome, Inconsistent))
        self._see(SHARED, if_=reads > 1)

    def healing_ended(self, outcome: Committed | Undecided, *, outgrown: bool) -> None:
        self._see(OUTGREW, if_=outgrown)

    def vault_rests(self, vault: str, kind: str, duration_s: float) -> None:
        self._see(RESTED)

    def vault_answered_late(self, vault: str, behind_s: float) -> None:
        self._see(STRAGGLED)

    def question_repeated(self, vault: str) -> None:
        self._see(REPEATED)

    # Both.

    def client_refused(self, status: int) -> None:
        self._see(OUT_OF_TURN)
