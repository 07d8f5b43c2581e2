"""Grids that hang: nothing is wrong with what they say, and some day they say nothing."""

from typing import Any

import glitchgrid.control
from glitchgrid.http.channel import Channel
from glitchgrid.http.service import FaceService
from glitchgrid.lab.glitch import Override
from glitchgrid.lab.register.glitches.catalogue import glitch
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.rounds import StoreRound
from glitchgrid.register.atomic import AtomicRegister
from glitchgrid.storage.store import Store
from glitchgrid.vaults.names import Name, ThreadResolver, _Lookup

STORES_UNTIL_WEDGED = 8
HOUR_S = 3600


@glitch(
    "wedged-store",
    Store,
    "_sync",
    what="A vault begins eight syncs; the ninth never ends, and what is stored then waits for it.",
    so="It answers reads, and no store, until it is started anew; with a majority like that nothing can be written.",
)
def _wedged_store(original: Any) -> Any:
    def sync(self: Any) -> None:
        self._begun = getattr(self, "_begun", 0) + 1
        if self._begun > STORES_UNTIL_WEDGED:
            self._syncing = True
            return
        original(self)

    return sync


@glitch(
    "connection-never-returned",
    glitchgrid.control,
    "vault_http",
    what="Control never puts a connection to a vault back into its pool.",
    so="Each request makes a new one, and the old ones stay until the vault ends them.",
)
def _connection_never_returned(original: Any) -> Any:
    def vault_http(reactor: Any, vault: Any, *more: Any) -> Any:
        http = original(reactor, vault, *more)
        http.pool._putConnection = lambda _key, _connection: None
        return http

    return vault_http


@glitch(
    "rest-never-ends",
    AtomicRegister,
    "_rested",
    what="A vault that has failed is left alone, and the end of its rest is forgotten.",
    so="It is asked again only when the others are no majority without it, and stays behind until then.",
)
def _rest_never_ends(_original: Any) -> Any:
    return lambda _self, _number, _kind: None


@glitch(
    "deadline-never-comes",
    Channel,
    "_watch_the_time",
    what="A server lets a request take as long as it likes to arrive.",
    so="Whoever sends half a request keeps a connection for ever, and ten thousand of them are all that there are.",
)
def _deadline_never_comes(_original: Any) -> Any:
    return lambda _self, _half_a_line: None


@glitch(
    "read-end-is-lost",
    Coordinator,
    "_end_read",
    what="A read that heals, or whose time is up, ends without anybody being told.",
    so="Its clients wait until they give up.",
)
def _read_end_is_lost(_original: Any) -> Any:
    return lambda _self, round_, outcome: round_.end(outcome)


@glitch(
    "healing-is-never-sent",
    Coordinator,
    "_queue",
    what="A read that hears a value which no majority holds decides to store it, and does not.",
    so="It waits for its deadline, and is answered 500 on a grid that is well.",
)
def _healing_is_never_sent(original: Any) -> Any:
    def queue(self: Any, round_: StoreRound[Any]) -> None:
        if round_.heals is None:
            original(self, round_)

    return queue


@glitch(
    "laggard-never-caught-up",
    Coordinator,
    "_reaches_floor",
    what="A vault that has missed a store is taken for one that has not.",
    so="It stays behind until the next write, and the grid has one disk less than it seems.",
)
def _laggard_never_caught_up(_original: Any) -> Any:
    return lambda _self, _value: True


@glitch(
    "timer-for-each-request",
    Channel,
    "allContentReceived",
    what="A server sets a timer for each request, and takes none of them back.",
    so="They are kept for an hour: its memory grows with every request.",
)
def _timer_for_each_request(original: Any) -> Any:
    def all_content_received(self: Any) -> None:
        self.site.reactor.callLater(HOUR_S, lambda: None)
        original(self)

    return all_content_received


@glitch(
    "stop-never-ends",
    FaceService,
    "_stop",
    what="A server that is told to stop waits for all that is in progress, however long that takes.",
    so="A disk that hangs keeps it from being restarted.",
)
def _stop_never_ends(_original: Any) -> Any:
    async def stop(self: Any) -> None:
        await self._leave()

    return stop


def _in_shared_threads(_original: Any) -> Any:
    def resolve(self: Any, receiver: Any, name: str, port: int = 0, *_arguments: Any, **_options: Any) -> Any:
        lookup = _Lookup(name)
        receiver.resolutionBegan(lookup)
        self._reactor.getThreadPool().callInThread(self._look_up, receiver, name, port)
        return lookup

    return resolve


@glitch(
    "lookup-blocks-all",
    Name,
    "addresses",
    what="Each new connection looks its vault's name up anew, in the ten threads that all names share.",
    so="One name that nobody answers for fills them, and no vault can be connected to any more.",
    also=(Override(ThreadResolver, "resolveHostName", _in_shared_threads),),
)
def _lookup_blocks_all(original: Any) -> Any:
    def addresses(self: Any) -> Any:
        self._is_asking, self._known = False, ()
        return original(self)

    return addresses
