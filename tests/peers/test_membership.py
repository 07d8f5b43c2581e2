"""Vaults that ask each other, without a network between them: each over a real store on a disk in memory."""

import contextlib
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import (
    DataDirectoryUnusable,
    FenceRefused,
    Forming,
    GlitchgridError,
    ListDiffers,
    ListMissing,
    Misfit,
    Rejoining,
    Replaced,
    StoreDamaged,
    StoreFailed,
    VaultRefused,
    VaultUnreachable,
)
from glitchgrid.outcome import StoreRequest
from glitchgrid.peers.membership import AGAIN_S, AT_ONCE_S, LOOK_S, LOSS_S, GridMembership
from glitchgrid.protocol.member import FenceAnswer, FenceQuestion, Membership
from glitchgrid.protocol.roster import list_digest
from glitchgrid.storage.rosterfile import (
    NEW_NAME,
    ROSTER_NAME,
    RosterFile,
    decode_fence_answer,
    decode_membership,
    encode_question,
)
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import VALUE_NAME
from tests.fakes import CaughtLog, FakePool, FakeReactor
from tests.memory_disk import MemoryDisk

ADDRESSES = ("a:1", "b:1", "c:1")
DIGEST = list_digest(ADDRESSES).encode()


class Vault:
    """A store and its membership; `start` again after a crash."""

    def __init__(self, grid: "Grid", address: str, peers: tuple[str, ...]) -> None:
        self.grid, self.address, self.peers = grid, address, peers
        self.disk = MemoryDisk()
        self.fatal: list[Misfit] = []
        self.is_up = False
        self.allows_unlisted = False

    def start(self, accept_loss: str | None = None) -> None:
        grid = self.grid
        self.pool = FakePool(grid.reactor)
        file = RosterFile(self.disk)
        new = partial(file.identity_unless_there, grid.new_identity)
        self.store = Store(grid.reactor, self.disk, self.pool, new)  # type: ignore[arg-type]
        self.opened = self.store.open()
        self.membership = GridMembership(
            grid.reactor,
            self.store,
            file,
            self.peers,
            partial(Peer, grid),
            self.fatal.append,
            allows_unlisted=self.allows_unlisted,
            accept_loss=accept_loss,
        )
        self.opened.addCallback(lambda _: Deferred.fromCoroutine(self.membership.open()))
        self.pool.finish_all()

    def serve(self, accept_loss: str | None = None) -> None:
        self.start(accept_loss)
        self.is_up = True
        self.membership.start()

    def crash(self, *, after_power_loss: bool = False, which: int = 0) -> None:
        """:param which: of the many ways in which a disk may look after a power loss."""
        self.is_up = False
        with contextlib.suppress(AttributeError):
            Deferred.fromCoroutine(self.membership.stop())
        disks = list(self.disk.after_power_losses()) if after_power_loss else [self.disk.after_kill()]
        self.disk = disks[which % len(disks)]

    def lose_disk(self) -> None:
        self.crash()
        self.disk = MemoryDisk()

    @property
    def phase(self) -> str:
        told = self.membership.told()
        return "" if told is None else str(told["phase"])

    @property
    def fenced(self) -> list[str]:
        told = self.membership.told()
        return [] if told is None else list(told["fenced"])

    def admits(self, listed: bytes | None = DIGEST, *, stores: bool = True) -> type[GlitchgridError] | None:
        try:
            self.membership.admit(listed, stores=stores)
        except GlitchgridError as error:
            return type(error)
        return None

    def take(self, value: int) -> None:
        self.store.submit(StoreRequest(value, guarded=True))
        self.pool.finish_all()


class Peer:
    """What a vault asks of another: a `PeerClient` without a network."""

    def __init__(self, grid: "Grid", address: str) -> None:
        self._grid, self._address = grid, address

    def present(self, token: bytes | None) -> None:
        self._grid.presented.add((self._address, token))

    def membership(self) -> Deferred[Membership]:
        vault = self._vault()
        text = None if vault is None else vault.membership.text()
        if text is None:
            return fail(VaultUnreachable("it is down") if vault is None else VaultRefused("it answered 404"))
        return succeed(decode_membership(text))

    def fence(self, question: FenceQuestion) -> Deferred[FenceAnswer]:
        vault = self._vault()
        if vault is None or self._address in self._grid.deaf:
            return fail(VaultUnreachable("it is down"))
        answer = vault.membership.fence(encode_question(question))
        vault.pool.finish_all()
        return answer.addCallbacks(decode_fence_answer, lambda failure: fail(VaultRefused(str(failure.value))))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def _vault(self) -> Vault | None:
        vault = self._grid.at.get(self._address)
        return vault if vault is not None and vault.is_up else None


class Grid:
    def __init__(self, addresses: tuple[str, ...] = ADDRESSES) -> None:
        self.reactor: Any = FakeReactor()
        self.made = 0
        self.deaf: set[str] = set()
        self.presented: set[tuple[str, bytes | None]] = set()
        self.at = {address: Vault(self, address, addresses) for address in addresses}

    def new_identity(self) -> str:
        self.made += 1
        return f"{self.made:032x}"

    def go_on(self, seconds: float = AGAIN_S, times: int = 6) -> None:
        for _ in range(times):
            for step_s in (0, AT_ONCE_S, AT_ONCE_S, seconds):
                for vault in self.at.values():
                    if vault.is_up:
                        vault.pool.finish_all()
                self.reactor.advance(step_s)

    def is_born(self) -> "Grid":
        for vault in self.at.values():
            vault.serve()
        self.go_on()
        return self


class BirthTests(SynchronousTestCase):
    def test_a_grid_forms_when_its_last_vault_is_there(self) -> None:
        grid = Grid()
        first, second, third = grid.at.values()
        first.serve()
        second.serve()
        grid.go_on()
        self.assertEqual((first.phase, first.admits(), first.admits(stores=False)), ("new", Forming, Forming))
        self.assertIn("it waits for c:1", first.membership.fault() or "")
        third.serve()
        grid.go_on()
        for vault in grid.at.values():
            self.assertEqual((vault.phase, vault.admits(), vault.membership.fault()), ("formed", None, None))

    def test_what_it_knows_is_on_the_disk(self) -> None:
        grid = Grid().is_born()
        vault = grid.at["b:1"]
        told = vault.membership.told()
        vault.crash(after_power_loss=True)
        vault.start()
        self.assertEqual(vault.membership.told(), told)
        self.assertIsNone(vault.admits())

    def test_a_crash_at_any_moment_of_the_birth_ends_in_a_birth(self) -> None:
        for steps in range(8):
            grid = Grid()
            for vault in grid.at.values():
                vault.serve()
            grid.go_on(AGAIN_S / 2, steps)
            for vault in grid.at.values():
                vault.crash()
                vault.serve()
            grid.go_on()
            self.assertEqual({vault.phase for vault in grid.at.values()}, {"formed"}, steps)
            self.assertEqual([vault.fenced for vault in grid.at.values()], [[], [], []], steps)

    def test_answers_of_different_moments_are_not_taken_together(self) -> None:
        """All others are new in every round, and each round some of them is another one."""
        grid = Grid()
        first, second, third = grid.at.values()
        first.serve()
        for turn in range(6):
            for vault in (second, third)[turn % 2 :][:1]:
                vault.lose_disk()
                vault.serve()
                Deferred.fromCoroutine(vault.membership.stop())
            grid.reactor.advance(AGAIN_S if turn == 0 else AT_ONCE_S)
            first.pool.finish_all()
        self.assertEqual(first.phase, "new")
        grid.reactor.advance(AT_ONCE_S)
        first.pool.finish_all()
        self.assertEqual(first.phase, "listed")

    def test_it_says_once_what_it_waits_for(self) -> None:
        log = CaughtLog(self)
        grid = Grid()
        grid.at["a:1"].serve()
        grid.go_on()
        waits = [line for line in log.warnings if "not formed" in line]
        self.assertEqual(waits, ["membership: the grid is not formed: it waits for b:1, c:1"])
        self.assertEqual(len([line for line in log.infos if line.startswith("peer b:1 ")]), 1)

    def test_a_vault_without_peers_is_on_its_own(self) -> None:
        log = CaughtLog(self)
        vault = Vault(Grid(), "a:1", ())
        vault.serve()
        self.assertEqual((vault.admits(None), vault.membership.text(), vault.membership.told()), (None, None, None))
        self.failureResultOf(vault.membership.fence(b""), FenceRefused)
        self.assertIn("without --peers", log.infos[0])
        self.assertIsNone(vault.disk.durable(ROSTER_NAME))

    def test_a_vault_that_has_a_roster_needs_no_peers_to_be_told(self) -> None:
        vault = Grid().is_born().at["a:1"]
        vault.crash()
        vault.peers = ()
        vault.start()
        self.assertEqual((vault.phase, vault.admits(b"0" * 64)), ("formed", ListDiffers))

    def test_a_list_that_does_not_fit_ends_the_process(self) -> None:
        grid = Grid()
        odd = Vault(grid, "d:1", ("a:1", "b:1"))
        for address in ("a:1", "b:1"):
            grid.at[address].peers = ("a:1", "b:1")
            grid.at[address].serve()
        odd.serve()
        grid.go_on()
        self.assertIn("none of them leads to this vault", str(odd.fatal[0]))
        self.assertEqual(len(odd.fatal), 1)


class ListTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.vault = Grid().is_born().at["a:1"]

    def test_another_list_is_refused_with_its_own(self) -> None:
        self.assertEqual(self.vault.admits(b"0" * 64), ListDiffers)
        self.assertEqual(self.vault.admits(b"0" * 64, stores=False), ListDiffers)
        error = self.assertRaises(ListDiffers, self.vault.membership.admit, b"0" * 64, stores=True)
        self.assertEqual(error.message, "The vaults of this grid are a:1,b:1,c:1")

    def test_a_store_without_a_list_is_refused_and_a_read_is_not(self) -> None:
        self.assertEqual(self.vault.admits(None), ListMissing)
        self.assertIsNone(self.vault.admits(None, stores=False))

    def test_unless_that_is_allowed(self) -> None:
        self.vault.crash()
        self.vault.allows_unlisted = True
        self.vault.start()
        self.assertEqual((self.vault.admits(None), self.vault.admits(b"0" * 64)), (None, ListDiffers))


class AwayTests(SynchronousTestCase):
    """A place of five is taken at another address while one of the others is away: three of them are enough."""

    BEFORE = ("a:1", "b:1", "c:1", "d:1", "e:1")
    AFTER = ("b:1", "c:1", "d:1", "e:1", "x:1")

    def setUp(self) -> None:
        self.grid = Grid(self.BEFORE).is_born()
        self.away = self.grid.at["e:1"]
        self.away.crash()
        self.lost = self.grid.at["a:1"].store.identity
        self.grid.at.pop("a:1").crash()
        moved = self.grid.at["x:1"] = Vault(self.grid, "x:1", self.AFTER)
        moved.serve()
        self.grid.go_on()
        self.assertEqual((moved.phase, moved.admits(list_digest(self.AFTER).encode())), ("formed", None))

    def test_it_asks_before_it_refuses_a_list_that_it_does_not_know(self) -> None:
        self.away.serve()
        self.assertEqual(self.away.admits(list_digest(self.AFTER).encode()), Forming)
        self.assertIsNone(self.away.admits(list_digest(self.BEFORE).encode()))
        self.grid.go_on()
        self.assertIsNone(self.away.admits(list_digest(self.AFTER).encode()))
        self.assertEqual(self.away.fenced, [self.lost])
        self.assertEqual(self.away.admits(b"0" * 64), ListDiffers)
        self.assertIn(self.lost.encode(), self.away.disk.durable(ROSTER_NAME) or b"")

    def test_nor_refuses_one_while_it_is_cut_off(self) -> None:
        """It has run all the time, and heard nobody."""
        self.away.serve()
        self.grid.go_on()
        others = [each for each in self.grid.at.values() if each is not self.away]
        for vault in others:
            vault.is_up = False
        self.grid.go_on(LOOK_S)
        self.assertEqual(self.away.admits(b"0" * 64), Forming)
        for vault in others:
            vault.is_up = True
        self.grid.go_on(LOOK_S)
        self.assertEqual(self.away.admits(b"0" * 64), ListDiffers)


class RejoiningTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.grid = Grid().is_born()
        self.first, self.second, self.third = self.grid.at.values()
        self.first.take(5)
        self.third.take(7)
        self.lost = self.second.store.identity

    def test_a_replaced_disk_is_taken_in_with_what_its_peers_hold(self) -> None:
        self.second.lose_disk()
        self.second.serve()
        self.grid.go_on(0, 2)
        self.grid.go_on()
        self.assertEqual((self.second.phase, self.second.store.value, self.second.admits()), ("formed", 7, None))
        for vault in self.grid.at.values():
            self.assertEqual((vault.fenced, vault.membership.fenced), ([self.lost], self.lost.encode()))

    def test_it_does_not_vote_until_enough_have_let_it_in(self) -> None:
        self.grid.deaf.add("c:1")
        self.second.lose_disk()
        self.second.serve()
        self.grid.go_on()
        self.assertEqual((self.second.phase, self.second.admits()), ("rejoining", Rejoining))
        self.assertIn("1 of the 2 peers that it takes have let it in", self.second.membership.fault() or "")
        self.assertIn("it waits for c:1", self.second.membership.fault() or "")
        self.grid.deaf.clear()
        self.grid.go_on()
        self.assertIsNone(self.second.admits())

    def test_a_crash_at_any_step_of_its_disk_begins_its_questions_anew(self) -> None:
        for step, which in itertools.product(range(1, 24), range(4)):
            with self.subTest(step=step, which=which):
                self.setUp()
                self.second.lose_disk()
                self.second.serve()
                for _ in range(step):
                    if self.second.pool.waiting:
                        self.second.pool.finish()
                    else:
                        self.grid.reactor.advance(AGAIN_S)
                self.second.crash(after_power_loss=True, which=which)
                self.second.serve()
                self.grid.go_on(times=12)
                self.assertEqual((self.second.phase, self.second.store.value), ("formed", 7))

    def test_a_peer_that_has_crashed_knows_the_fence(self) -> None:
        self.second.lose_disk()
        self.second.serve()
        self.grid.go_on()
        self.first.crash(after_power_loss=True)
        self.first.start()
        self.assertEqual(self.first.fenced, [self.lost])

    def test_a_peer_whose_disk_fails_takes_no_fence_and_no_store(self) -> None:
        self.second.lose_disk()
        self.first.disk.fail_at = {len(self.first.disk.steps) + 3}  # create, write, fsync
        self.second.serve()
        self.grid.go_on()
        self.assertEqual((self.first.store.has_failed, self.first.fenced), (True, []))
        self.assertEqual(self.second.phase, "rejoining")
        self.failureResultOf(self.first.store.submit(StoreRequest(9, guarded=True)), StoreFailed)

    def test_one_whose_place_was_taken_says_so_and_does_not_vote(self) -> None:
        old = self.second
        self.second.crash()
        replacement = self.grid.at["b:1"] = Vault(self.grid, "b:1", ADDRESSES)
        replacement.serve()
        self.grid.go_on()
        replacement.crash()
        self.grid.at["b:1"] = old
        old.serve()
        self.grid.go_on()
        self.assertEqual(old.admits(), Replaced)
        self.assertIn("empty its data directory", old.membership.fault() or "")

    def test_it_learns_that_while_it_runs(self) -> None:
        moved = Vault(self.grid, "d:1", ("a:1", "c:1", "d:1"))
        self.grid.at["d:1"] = moved
        moved.serve()
        self.grid.go_on()
        self.assertEqual((moved.phase, moved.store.value), ("formed", 7))
        self.assertIsNone(self.second.admits())
        self.grid.go_on(LOOK_S, 2)
        self.assertEqual(self.second.admits(), Replaced)

    def test_a_list_with_an_address_from_before_is_taken_with_a_warning(self) -> None:
        moved = Vault(self.grid, "d:1", ("a:1", "c:1", "d:1"))
        self.grid.at["d:1"] = moved
        moved.serve()
        self.grid.go_on()
        log = CaughtLog(self)
        for listed in (DIGEST, DIGEST, list_digest(["a:1", "c:1", "d:1"]).encode()):
            self.assertIsNone(self.first.admits(listed))
        self.assertEqual(len(log.warnings), 1)
        self.assertIn("the grid's vaults are a:1, d:1, c:1", log.warnings[0])

    def test_a_damaged_question_is_refused(self) -> None:
        for text in (b"", b"x", b"glitchgrid-fence 1\ncrc32 00000000\n"):
            self.failureResultOf(self.first.membership.fence(text), FenceRefused)

    def test_a_stop_waits_for_what_is_being_written(self) -> None:
        question = encode_question(FenceQuestion("f" * 32, "b:1", ADDRESSES, frozenset({self.lost})))
        answer = self.first.membership.fence(question)
        stopped = Deferred.fromCoroutine(self.first.membership.stop())
        self.assertNoResult(stopped)
        self.first.pool.finish_all()
        self.successResultOf(stopped)
        self.assertEqual(decode_fence_answer(self.successResultOf(answer)).value, 5)

    def test_a_token_is_presented_to_all_peers(self) -> None:
        self.first.membership.present(b"secret")
        self.assertLessEqual({(address, b"secret") for address in ADDRESSES}, self.grid.presented)


class LossTests(SynchronousTestCase):
    """Two of three have lost their disks, and somebody wants to go on with what the third one has."""

    def setUp(self) -> None:
        self.grid = Grid().is_born()
        self.first, self.second, self.third = self.grid.at.values()
        self.third.take(7)
        for vault in (self.first, self.second):
            vault.lose_disk()
            vault.serve()
        self.grid.go_on()

    def word(self, vault: Vault) -> str:
        """A wrong one is answered with the right one."""
        vault.crash()
        vault.start("please")
        failure = self.failureResultOf(vault.opened, Misfit)
        vault.crash()
        return str(failure.value).rpartition(" ")[2]

    def test_whoever_says_the_word_goes_on_and_it_is_never_forgotten(self) -> None:
        log = CaughtLog(self)
        self.first.serve(self.word(self.first))
        self.grid.go_on()
        self.assertEqual(self.first.phase, "rejoining")
        self.grid.go_on(LOSS_S, 1)
        self.grid.go_on()
        self.assertEqual((self.first.phase, self.first.store.value, self.first.admits()), ("formed", 7, None))
        self.assertIn("goes on without enough peers", log.errors[0])
        self.assertEqual((self.second.phase, self.second.admits()), ("formed", None))
        self.first.crash(after_power_loss=True)
        self.first.start("please")  # it is formed: nothing is asked of anybody any more
        told = [vault.membership.told() for vault in (self.first, self.second)]
        self.assertEqual([each and each["losses"] for each in told], [1, 0])

    def test_each_vault_has_a_word_of_its_own(self) -> None:
        self.assertNotEqual(self.word(self.first), self.word(self.second))

    def test_nobody_goes_on_without_anybody(self) -> None:
        self.third.crash()
        self.first.serve(self.word(self.first))
        self.grid.go_on(LOSS_S, 2)
        self.grid.go_on()
        self.assertEqual(self.first.phase, "rejoining")


class BadDirectoryTests(SynchronousTestCase):
    def opening(self, change: Callable[[Vault], None]) -> tuple[GlitchgridError, Vault]:
        vault = Grid().is_born().at["a:1"]
        vault.crash()
        change(vault)
        vault.start()
        failure = self.failureResultOf(vault.opened)
        assert isinstance(failure.value, GlitchgridError)
        return failure.value, vault

    def test_a_damaged_roster_is_left_as_it_is(self) -> None:
        for damaged in (b"", b"glitchgrid-roster 1\n", b"x" * 300_000):
            error, vault = self.opening(lambda vault, damaged=damaged: vault.disk.put(ROSTER_NAME, damaged))  # type: ignore[misc]
            self.assertIsInstance(error, StoreDamaged)
            self.assertIn("/data/roster is damaged", str(error))
            self.assertEqual(vault.disk.durable(ROSTER_NAME), damaged)

    def test_the_roster_of_another_vault(self) -> None:
        others = Grid().is_born().at["b:1"].disk.durable(ROSTER_NAME)
        assert others is not None
        error, _ = self.opening(lambda vault: vault.disk.put(ROSTER_NAME, others))
        self.assertIn("it is of another vault than value", str(error))

    def test_a_value_that_is_gone(self) -> None:
        def without_value(vault: Vault) -> None:
            roster = vault.disk.durable(ROSTER_NAME)
            assert roster is not None
            vault.disk = MemoryDisk()
            vault.disk.put(ROSTER_NAME, roster)

        error, vault = self.opening(without_value)
        self.assertIsInstance(error, DataDirectoryUnusable)
        self.assertIn("to have the vault rejoin, empty the directory", str(error))
        self.assertIsNone(vault.disk.durable(VALUE_NAME))
        self.assertIsNone(vault.disk.cached(NEW_NAME))

    def test_a_list_of_another_length(self) -> None:
        def with_longer_list(vault: Vault) -> None:
            vault.peers = (*ADDRESSES, "d:1")

        error, _ = self.opening(with_longer_list)
        self.assertIsInstance(error, Misfit)
