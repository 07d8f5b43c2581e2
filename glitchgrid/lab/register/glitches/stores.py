"""What a vault does with the stores that it is sent."""

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed

import glitchgrid.storage.store
import glitchgrid.vault
from glitchgrid.lab.glitch import Override
from glitchgrid.lab.register.glitches.catalogue import glitch
from glitchgrid.outcome import Refused, StoreRequest
from glitchgrid.storage.store import Store


def _showing(original: Any) -> Any:
    def sync(self: Any) -> None:
        self._shown = max(request.value for request, _ in self._waiting)
        original(self)

    return sync


@glitch(
    "show-before-durable",
    Store,
    "value",
    what="A vault answers reads with a value that it is still syncing.",
    so="A client reads it, the power goes, and nobody has ever heard of it.",
    also=(Override(Store, "_sync", _showing),),
)
def _show_before_durable(_original: Any) -> Any:
    def value(self: Any) -> int:
        shown: int = self._record.value
        return max(shown, getattr(self, "_shown", 0)) if self._syncing else shown

    return property(value)


@glitch(
    "ignore-guard",
    glitchgrid.storage.store,
    "fold",
    what="A vault takes every store, also one that asks it to refuse a decrease.",
    so="A store that was held up undoes the newer ones.",
)
def _ignore_guard(original: Any) -> Any:
    return lambda durable, requests: original(durable, [evolve(request, guarded=False) for request in requests])


@glitch(
    "refuse-undurable",
    Store,
    "submit",
    what="A vault that is syncing a larger value refuses a smaller one at once.",
    so="A refusal with a larger value is an acknowledgement, and the sync may still fail.",
)
def _refuse_undurable(original: Any) -> Any:
    def submit(self: Any, request: StoreRequest) -> Any:
        in_flight = getattr(self, "_in_flight", 0) if self._syncing else 0
        if request.guarded and request.value < in_flight and not self._failed:
            return succeed(Refused(in_flight))
        if not self._syncing:
            self._in_flight = request.value
        return original(self, request)

    return submit


def _undoing_what_was_cancelled(original: Any) -> Any:
    def saved(self: Any, none: None, record: Any, batch: Any, outcomes: Any) -> Any:
        if not any(waiter.called for _, waiter in batch):
            original(self, none, record, batch, outcomes)
            return None
        for (_, waiter), outcome in zip(batch, outcomes, strict=True):
            if not waiter.called:
                waiter.callback(outcome)
        return self._in_pool(self._file.save, self._record)

    return saved


@glitch(
    "cancel-commit",
    glitchgrid.vault,
    "shield",
    what="A vault undoes a store when the client that sent it leaves before it is on the disk.",
    so="Another client's store, which shared the sync, is undone with it, and was acknowledged.",
    unseen="A majority of the vaults would have to undo the same value; in the runs one of them does, now and then.",
    also=(Override(Store, "_saved", _undoing_what_was_cancelled),),
)
def _cancel_commit(_original: Any) -> Any:
    def shield(work: "Deferred[Any]") -> "Deferred[Any]":
        return work

    return shield
