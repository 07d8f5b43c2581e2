"""A vault: one durable value behind HTTP."""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from antithesis.assertions import always, reachable
from klein import Klein
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from twisted.web.iweb import IRequest

from glitchgrid.errors import NotFound, StartError, StoreBusy, UnknownGuard, one_line
from glitchgrid.http.counting import FaceCounts
from glitchgrid.http.doors import OPEN, Doors
from glitchgrid.http.face import Face, answer_errors, respond, routes
from glitchgrid.http.health import PROCESS, Check, Fault, Health
from glitchgrid.http.healthdoor import health_door
from glitchgrid.http.metrics import Metrics
from glitchgrid.http.openapi import document
from glitchgrid.http.operating import add_operating_routes
from glitchgrid.http.service import FaceService, Fatal
from glitchgrid.http.status import Status
from glitchgrid.observer import UNOBSERVED, Observer, both
from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.peers.client import PeerClient
from glitchgrid.peers.membership import GridMembership
from glitchgrid.peers.options import ALONE, Peers
from glitchgrid.storage.disk import IDisk
from glitchgrid.storage.metrics import StoreMetrics
from glitchgrid.storage.pool import Pulse, abandon
from glitchgrid.storage.rosterfile import TEXT_BYTES_MAX, RosterFile
from glitchgrid.storage.store import WAITING_STORES_MAX, Store
from glitchgrid.tls.ends import Ends
from glitchgrid.value import encode_number, parse_value
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.waiting import shield
from glitchgrid.wire import FENCED_HEADER, GUARD_HEADER, GUARD_INCREASE, IDENTITY_HEADER, LIST_HEADER

STORE_TIMEOUT_S = 10.0
"""A store that is not on the disk after so long is answered 503. It is not recalled: it may still happen."""

DISK_SILENT_MAX_S = 30.0
"""A disk thread that has owed an answer for so long is taken for stuck, and the vault for one that needs a restart."""

_log = Logger()


class VaultFace:
    """The routes of a vault over its store."""

    app = Klein()
    openapi = document("vault")

    def __init__(
        self,
        store: Store,
        clock: IReactorTime,
        pulse: Pulse,
        observer: Observer = UNOBSERVED,
        metrics: Metrics | None = None,
        ends: Ends | None = None,
        membership: GridMembership | None = None,
    ) -> None:
        self._store = store
        self._membership = membership
        self._clock = clock
        self._pulse = pulse
        self.metrics = Metrics() if metrics is None else metrics
        self._observer = observer
        thread = Check("disk-thread", self._fault_of_thread)
        ready = [Check("open", self._fault_of_opening), Check("disk", self._fault_of_disk), thread]
        if membership is not None:
            ready.append(Check("roster", membership.fault))
        self.health = Health(clock, (PROCESS, thread), ready)
        limits = {"waiting_stores": WAITING_STORES_MAX, "store_s": STORE_TIMEOUT_S, "disk_silent_s": DISK_SILENT_MAX_S}
        self._status = Status("vault", clock, self.health, limits, ends)

    def _fault_of_thread(self) -> Fault:
        silent_s = self._pulse.silent_s()
        return f"it has not answered for {silent_s:.0f} s" if silent_s >= DISK_SILENT_MAX_S else None

    def _fault_of_opening(self) -> Fault:
        return None if self._store.is_open else "the value has not been recovered yet"

    def _fault_of_disk(self) -> Fault:
        return "a sync has failed since the start" if self._store.has_failed else None

    @app.route("/status", methods=["GET"])
    def status(self, request: IRequest) -> bytes:
        store = self._store
        value = {"shown": store.value, "durable": store.durable_value}
        has_failed = store.has_failed
        facts = {"identity": store.identity, "value": value, "disk_failed": has_failed, "stores": store.in_progress()}
        facts["roster"] = None if self._membership is None else self._membership.told()
        return self._status.answer(request, facts)

    @app.route("/", methods=["GET"])
    def read(self, request: IRequest) -> bytes:
        self._admit(request, stores=False)
        return self._vote(request, self._store.value)

    def _admit(self, request: IRequest, *, stores: bool) -> None:
        if self._membership is not None:
            self._membership.admit(request.getHeader(LIST_HEADER), stores=stores)

    def _vote(self, request: IRequest, value: int, status: int = 200) -> bytes:
        """An answer that control counts: the value, and the fences that are known by now."""
        if self._membership is not None and self._membership.fenced:
            request.setHeader(FENCED_HEADER, self._membership.fenced)
        return respond(request, encode_number(value), status)

    @app.route("/", methods=["POST"])
    def store(self, request: IRequest) -> Deferred[bytes]:
        asked = StoreRequest(parse_value(request.content.read()), self._wants_guard(request))
        self._admit(request, stores=True)
        self._observer.store_arrived(asked)
        stored = shield(self._store.submit(asked)).addTimeout(STORE_TIMEOUT_S, self._clock)
        return stored.addCallbacks(self._tell_outcome, self._give_up, (request, asked), {}, (asked,), {})

    def _tell_outcome(self, outcome: StoreOutcome, request: IRequest, asked: StoreRequest) -> bytes:
        self._admit(request, stores=True)  # the list may have been changed while the store was on its way to the disk
        self._observer.store_answered(asked, outcome)
        always(
            (isinstance(outcome, Stored) and not asked.guarded) or outcome.value <= self._store.value,
            "vault: what it says that it holds is what it shows",
        )
        if asked.guarded:
            request.setHeader(GUARD_HEADER, GUARD_INCREASE)
        status = 412 if isinstance(outcome, Refused) else 200
        return self._vote(request, outcome.value, status)

    @app.route("/roster", methods=["GET"])
    def roster(self, request: IRequest) -> bytes:
        text = None if self._membership is None else self._membership.text()
        if text is None:
            raise NotFound
        return respond(request, text)

    @app.route("/roster/fence", methods=["POST"])
    def fence(self, request: IRequest) -> Deferred[bytes]:
        if self._membership is None:
            raise NotFound
        return self._membership.fence(request.content.read()).addCallback(partial(respond, request))

    @app.route("/roster/change", methods=["POST"])
    def change(self, request: IRequest) -> Deferred[bytes]:
        if self._membership is None:
            raise NotFound
        return self._membership.change(request.content.read()).addCallback(partial(respond, request))

    def _give_up(self, failure: Failure, asked: StoreRequest) -> NoReturn:
        failure.trap(defer.TimeoutError)
        reachable("vault: a store takes longer than its deadline")
        _log.error("store of {value} is not on the disk after {s:g} s", value=asked.value, s=STORE_TIMEOUT_S)
        raise StoreBusy

    def _wants_guard(self, request: IRequest) -> bool:
        guard = request.getHeader(GUARD_HEADER)
        if guard is None:
            return False
        if guard.strip().lower() != GUARD_INCREASE:
            raise UnknownGuard
        return True


add_operating_routes(VaultFace.app)
answer_errors(VaultFace.app)


class VaultService(FaceService):
    """A vault that can be started and stopped.

    :ivar store: what it serves, for tests and oracles to look at.
    :ivar membership: in its grid.
    """

    store: Store
    membership: GridMembership


def vault_service(
    reactor: Any,
    endpoint: IStreamServerEndpoint,
    endpoint_name: str,
    disk: IDisk,
    pool: ThreadPool,
    new_identity: Callable[[], str],
    fatal: Fatal,
    report_every_s: float = 0.0,
    observer: Observer = UNOBSERVED,
    doors: Doors = OPEN,
    peers: Peers = ALONE,
) -> VaultService:
    """A vault over `disk` that serves at `endpoint` once its value is recovered.

    :param pool: the store's own; started and stopped here.
    :param new_identity: names a vault whose data directory is new: 32 hexadecimal digits.
    :param doors: how it is reached, and by whom.
    :param peers: the vaults of its grid.
    """
    metrics = StoreMetrics(reactor)
    observer = both(metrics, observer)
    ends = Ends(reactor) if doors.ends is None else doors.ends
    door = health_door(reactor, doors.health_at)
    roster_file = RosterFile(disk)
    new = partial(roster_file.identity_unless_there, new_identity)
    store = metrics.store = Store(reactor, disk, pool, new, observer)
    spelled = {each.canonical_text: each for each in peers.addresses}  # as certificates may name them
    membership = GridMembership(
        reactor,
        store,
        roster_file,
        list(spelled),
        lambda address: PeerClient(reactor, spelled.get(address) or VaultAddress.parse(address), peers.tls),
        fatal,
        allows_unlisted=peers.allows_unlisted,
        accept_loss=peers.accept_loss,
        is_added=peers.is_added,
    )
    membership.present(peers.token)

    async def prepare() -> Face:
        pool.start()
        await store.open()
        try:
            await membership.open()
        except StartError:
            store.close()
            raise
        _log.info(
            "vault {identity} holds {value} in {path}; serving at {endpoint}",
            identity=store.identity,
            value=store.value,
            path=one_line(disk.path),
            endpoint=endpoint_name,
        )
        counts = FaceCounts(routes(VaultFace.app), reactor)
        told = Metrics(counts, metrics, ends, membership)
        vault = VaultFace(store, reactor, Pulse(reactor, pool), observer, told, ends, membership)
        if door is not None:
            door.health = vault.health
        return Face(
            reactor,
            vault.app,
            {IDENTITY_HEADER: store.identity.encode("ascii")},
            observer=observer,
            counts=counts,
            doors=doors,
            large_bodies={b"/roster/fence": TEXT_BYTES_MAX, b"/roster/change": TEXT_BYTES_MAX},
        )

    async def finish() -> None:
        await membership.stop()
        await store.when_idle()
        store.close()
        abandon(pool)

    service = VaultService(
        reactor,
        endpoint,
        endpoint_name,
        lambda: Deferred.fromCoroutine(prepare()),
        membership.start,
        lambda: Deferred.fromCoroutine(finish()),
        fatal,
        report_every_s,
        door,
    )
    service.store = store
    service.membership = membership
    return service
