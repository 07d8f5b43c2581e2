"""What a control counts of its register: an observer of it, and the vaults as they were last seen."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from glitchgrid.measures import COUNTS, Distribution, count, counter, gauge, gauges, histogram
from glitchgrid.observer import Observer
from glitchgrid.outcome import Committed, Decreases, Holds, ReadOutcome, Undecided
from glitchgrid.register.interface import IRegister
from glitchgrid.vaults.client import VaultClient

VAULT = ("vault",)


class RegisterMetrics(Observer):
    """:ivar register: and its `vaults`, which are there only after the observer: they are told of it."""

    register: IRegister
    vaults: Sequence[VaultClient] = ()

    def __init__(self) -> None:
        self._rounds: Counter[tuple[str, ...]] = Counter()
        self._operations: defaultdict[str, Distribution] = defaultdict(lambda: Distribution(COUNTS))
        self._declined = 0
        self._stragglers: Counter[tuple[str, ...]] = Counter()
        self._repeated: Counter[tuple[str, ...]] = Counter()
        self._rests: Counter[tuple[str, ...]] = Counter()

    def write_ended(self, outcome: Committed | Undecided, writes: int) -> None:
        self._rounds["write", "committed" if isinstance(outcome, Committed) else "undecided"] += 1
        self._operations["write"].observe(writes)

    def read_ended(self, outcome: ReadOutcome, reads: int, *, healed: bool) -> None:
        self._rounds["read", "value" if isinstance(outcome, Holds) else "inconsistent"] += 1
        self._operations["read"].observe(reads)

    def healing_ended(self, outcome: Committed | Undecided, *, outgrown: bool) -> None:
        self._rounds["heal", "committed" if isinstance(outcome, Committed) else "undecided"] += 1

    def write_declined(self, outcome: Decreases) -> None:
        self._declined += 1

    def vault_answered_late(self, vault: str, behind_s: float) -> None:
        self._stragglers[vault,] += 1

    def question_repeated(self, vault: str) -> None:
        self._repeated[vault,] += 1

    def vault_rests(self, vault: str, kind: str, duration_s: float) -> None:
        self._rests[vault, kind] += 1

    def collect(self) -> Iterator[Metric]:
        text = "Rounds that have ended: writes and reads of clients, and what reads have stored to heal."
        yield counter("glitchgrid_rounds", text, ("kind", "outcome"), self._rounds)
        operations = [((kind,), each) for kind, each in sorted(self._operations.items())]
        yield histogram("glitchgrid_round_operations", "Operations that shared a round.", ("kind",), operations)
        text = "Writes below the floor, refused before anything was sent."
        yield count("glitchgrid_writes_declined", text, self._declined)
        text = "Answers of a vault a quarter of a second or more after the others had decided."
        yield counter("glitchgrid_stragglers", text, VAULT, self._stragglers)
        text = "Questions that were sent again because a kept connection had broken."
        yield counter("glitchgrid_resends", text, VAULT, self._repeated)
        text = "Times that a vault failed, and was left alone for a while."
        yield counter("glitchgrid_vault_rests", text, ("vault", "kind"), self._rests)
        waiting = self.register.in_progress()["waiting operations"]
        yield gauge("glitchgrid_operations_waiting", "Operations that have begun and not ended.", waiting)
        floor = self.register.floor
        if floor is not None:
            yield gauge("glitchgrid_floor", "The largest value that is known to be committed.", floor)
        yield from self._vaults_as_seen(floor)

    def _vaults_as_seen(self, floor: int | None) -> Iterator[Metric]:
        sights = [vault.sight for vault in self.vaults]
        seen = [each for each in sights if each.held is not None or each.fails]
        text = "Whether the last question to a vault had an answer that counts; absent before the first one."
        yield gauges("glitchgrid_vault_up", text, VAULT, [((each.address,), float(not each.fails)) for each in seen])
        held = [((each.address,), float(each.held)) for each in sights if each.held is not None]
        yield gauges("glitchgrid_vault_value", "What a vault held when it last answered.", VAULT, held)
        if floor is not None:
            lags = [(labels, max(0.0, floor - value)) for labels, value in held]
            text = "How far below the floor a vault was when it last answered."
            yield gauges("glitchgrid_vault_lag", text, VAULT, lags)
