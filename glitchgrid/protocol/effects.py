"""Effects: what the coordinator wants done or told. Its caller acts on them; requests may go out before the rest."""

from typing import Generic, Literal, TypeVar

from attrs import frozen

from glitchgrid.outcome import Decreases
from glitchgrid.protocol.rounds import ReadRound, StoreRound

T = TypeVar("T")

RoundKind = Literal["store", "read"]


@frozen
class Began(Generic[T]):
    """A round of operations has begun. It will have `Ended`, or has to be ended by `Coordinator.expire`."""

    round: StoreRound[T] | ReadRound[T]


@frozen
class Ended(Generic[T]):
    """A round has its outcome, and so have the operations in it."""

    round: StoreRound[T] | ReadRound[T]


@frozen
class Declined(Generic[T]):
    """A write has its outcome before anything was sent."""

    ticket: T
    outcome: Decreases


@frozen
class SendStore(Generic[T]):
    """Ask `vault` for a guarded store of `value`; `rounds` wait for its answer."""

    vault: int
    value: int
    rounds: list[StoreRound[T]]


@frozen
class SendRead(Generic[T]):
    """Ask `vault` what it holds; `rounds` wait for its answer."""

    vault: int
    rounds: list[ReadRound[T]]


@frozen
class Rest:
    """`vault` has failed `failures` times in a row at this kind: call `Coordinator.rested` after a while."""

    vault: int
    kind: RoundKind
    failures: int


@frozen
class FloorRecovered:
    """The floor is known."""

    floor: int


@frozen
class SameVault:
    """Two addresses lead to one vault, which counts once."""

    first: int
    second: int
    voter: str


@frozen
class ValueLost:
    """A majority answered with less than the floor: vaults have forgotten what they had acknowledged."""

    floor: int
    seen: int


Effect = Began[T] | Ended[T] | Declined[T] | SendStore[T] | SendRead[T] | Rest | FloorRecovered | SameVault | ValueLost
