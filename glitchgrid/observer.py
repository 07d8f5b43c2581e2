"""What happens in a control and in a vault, told to whoever wants to know: an oracle, metrics, a live page, a trace.

::

    class Syncs(Observer):
        count = 0

        def batch_settled(self, value: int, stores: int) -> None:
            self.count += 1

    vault_service(..., observer=Syncs())

Nobody is told anything by default: `UNOBSERVED` takes every call and does nothing, which costs a call. An observer is
called on the reactor's thread, in the moment that a method's name says. It must neither raise nor take long, and it
changes nothing.
"""

from collections.abc import Callable
from typing import Any

from glitchgrid.outcome import Committed, Decreases, ReadOutcome, StoreOutcome, StoreRequest, Undecided


class Observer:
    """Told of everything, and does nothing. Override what you want to know."""

    # A vault.

    def value_recovered(self, value: int, *, slot_is_damaged: bool) -> None:
        """A vault has read its file, and serves `value`; one of the two slots may have been damaged."""

    def store_arrived(self, request: StoreRequest) -> None:
        """A client asks a vault to store a value."""

    def store_answered(self, request: StoreRequest, outcome: StoreOutcome) -> None:
        """A vault is about to answer a store. Stores that fail are not answered so."""

    def store_turned_down(self) -> None:
        """A store was not taken: a sync has failed since the vault's start."""

    def sync_began(self, value: int, stores: int) -> None:
        """A vault begins to write and sync `value`, the result of `stores` stores."""

    def sync_failed(self, stores: int) -> None:
        """The write or the sync has failed, and with it these stores."""

    def batch_settled(self, value: int, stores: int) -> None:
        """`value` is durable, and GET answers it. The clients of the stores have not been answered yet."""

    def store_is_idle(self) -> None:
        """No store is being synced, and none waits."""

    # A control's register.

    def write_ended(self, outcome: Committed | Undecided, writes: int) -> None:
        """A round of writes has its outcome, and so have the writes in it."""

    def write_declined(self, outcome: Decreases) -> None:
        """A write was refused before anything was sent."""

    def write_waits(self) -> None:
        """A write waits until the floor is known."""

    def floor_recovered(self, floor: int) -> None:
        """The floor is known."""

    def read_ended(self, outcome: ReadOutcome, reads: int, *, healed: bool) -> None:
        """A round of reads has its outcome, and so have the reads in it.

        :param healed: it has stored its value where that was lacking.
        """

    def healing_ended(self, outcome: Committed | Undecided, *, outgrown: bool) -> None:
        """A healing read has stored its value, or has failed to; or a vault holds more, and the read stores that."""

    def vault_rests(self, vault: str, kind: str, duration_s: float) -> None:
        """A vault has failed: no request of that kind, "store" or "read", is sent to it for so long."""

    def vault_answered_late(self, vault: str, behind_s: float) -> None:
        """A vault has answered so long after the others had decided, `LAGGING_S` or more."""

    def question_repeated(self, vault: str) -> None:
        """A kept connection broke as it was used: the question is sent again on a fresh one."""

    # Both servers.

    def client_refused(self, status: int) -> None:
        """A client is refused, and its connection closed: it was too slow, sent too much, or sent what is no HTTP."""


UNOBSERVED = Observer()


def both(first: Observer, second: Observer) -> Observer:
    """One that tells both: the first alone, where the second is nobody."""
    return first if second is UNOBSERVED else Observers(first, second)


class Observers(Observer):
    """Tells several, in this order."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers


def _telling_all(name: str) -> Callable[..., None]:
    def tell(self: Observers, *arguments: Any, **options: Any) -> None:
        for observer in self.observers:
            getattr(observer, name)(*arguments, **options)

    return tell


for _name in [each for each in vars(Observer) if not each.startswith("_")]:
    setattr(Observers, _name, _telling_all(_name))
