"""``glitchgrid roster change`` on real processes: more vaults, fewer, and what is interrupted."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from glitchgrid.protocol.change import ChangeQuestion, Step
from glitchgrid.protocol.member import Membership
from glitchgrid.storage.rosterfile import decode_membership, encode_change
from tests.end_to_end.processes import HOST, Servers, Vault, ask, free_port
from tests.end_to_end.test_membership import KnownGrid, wait_until_it_votes

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")


def change(vaults: Sequence[str], to: Sequence[str], *options: str) -> tuple[int, str, str]:
    command = [GLITCHGRID, "roster", "change", "--vaults", ",".join(vaults), "--to", ",".join(to), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class Growing:
    """A grid of three that holds 7, and two more vaults, which wait to be added to it."""

    def __init__(self, servers: Servers) -> None:
        self.grid = KnownGrid(servers)
        self.grid.write(7)
        self.now = self.grid.addresses
        ports = [free_port() for _ in range(2)]
        self.then = [*self.now, *(f"{HOST}:{port}" for port in ports)]
        self.options = ["--peers", ",".join(self.then), "--added"]
        self.added = [servers.vault(port=port, options=self.options).start() for port in ports]
        for vault in self.added:
            vault.wait_ready()

    @property
    def vaults(self) -> list[Vault]:
        return [*self.grid.vaults, *self.added]


@pytest.fixture
def growing(servers: Servers) -> Growing:
    return Growing(servers)


def test_two_more_and_then_two_less(growing: Growing, servers: Servers) -> None:
    status, said, _ = change(growing.now, growing.then, "--dry-run")
    assert (status, "Nothing was changed" in said) == (0, True)
    growing.grid.write(8)
    status, said, errors = change(growing.now, growing.then)
    assert (status, errors) == (0, ""), said
    assert "3 of 3 vaults serve no more by the list from before; the largest value is 8" in said
    assert f"Now start the controls with --vaults {','.join(sorted(growing.then))}" in said
    # A control that was forgotten is refused, and stops.
    assert ask(growing.grid.control.port, "POST", "9").status == 500
    assert growing.grid.control.wait_gone() == 1
    control = servers.control(growing.then).restart()
    assert ask(control.port).plain == (200, "8")
    assert ask(control.port, "POST", "10").status == 200
    control.kill()
    rest = [vault.address for vault in growing.vaults[2:]]
    status, said, errors = change(growing.then, rest)
    assert (status, errors) == (0, ""), said
    assert f"Stop {', '.join(sorted(vault.address for vault in growing.vaults[:2]))}" in said
    assert ask(servers.control(rest).restart().port).plain == (200, "10")
    # With the list from before neither starts again: one is left out, and the other has to be told.
    for vault in (growing.vaults[0], growing.vaults[2]):
        vault.kill()
        vault.start()
        assert vault.wait_gone() == 1
        assert f"and the grid has {', '.join(sorted(rest))}" in vault.stderr
    again = servers.vault(
        port=growing.vaults[2].port, data_dir=growing.vaults[2].data_dir, options=["--peers", ",".join(rest)]
    )
    wait_until_it_votes(again.start())


def known_to(vault: Vault) -> Membership:
    return decode_membership(ask(vault.port, path="/roster").body.encode())


def asked(vault: Vault, question: ChangeQuestion) -> int:
    return ask(vault.port, "POST", encode_change(question).decode("ascii"), path="/roster/change").status


def test_what_somebody_has_begun_and_left_goes_on(growing: Growing, servers: Servers) -> None:
    """With a vault that was away all the while: it finds out by itself, and has what it has missed."""
    first, second, away = growing.grid.vaults
    born = known_to(first).roster
    assert born is not None
    identities = {vault.address: known_to(vault).identity for vault in growing.added}
    following = born.changed(growing.then, identities)
    for vault in (first, second):
        assert asked(vault, ChangeQuestion(Step.PREPARE, 0, 5)) == 200
        assert asked(vault, ChangeQuestion(Step.ACCEPT, 0, 5, following)) == 200
        assert ask(vault.port).plain == (503, "Changing")
    assert ask(growing.grid.control.port, "POST", "9").status == 500
    status, _, errors = change(growing.now, growing.now[:2])
    assert (status, errors.count("\n")) == (2, 1)
    assert f"a change to {','.join(sorted(growing.then))} was begun" in errors
    away.kill()
    status, said, errors = change(growing.now, growing.then)
    assert (status, errors) == (0, ""), said
    assert "a change was begun before, and goes on" in said
    assert f"not yet: {away.address}: " in said
    control = servers.control(growing.then).restart()
    assert ask(control.port).plain == (200, "7")
    assert ask(control.port, "POST", "11").status == 200
    back = servers.vault(port=away.port, data_dir=away.data_dir, options=["--peers", ",".join(growing.now)]).start()
    wait_until_it_votes(back)
    assert ask(back.port).plain == (200, "11")


def test_to_go_back(growing: Growing) -> None:
    vaults = growing.grid.vaults
    for vault in vaults[:2]:
        assert asked(vault, ChangeQuestion(Step.PREPARE, 0, 5)) == 200
    assert ask(growing.grid.control.port).plain == (500, "-1")
    status, said, errors = change(growing.now, growing.now)
    assert (status, errors) == (0, ""), said
    assert growing.grid.read() == 7
    growing.grid.write(8)


def test_what_would_lose_something_is_one_line(growing: Growing, servers: Servers) -> None:
    stranger = servers.vault(port=free_port()).start()
    stranger.wait_ready()
    growing.added[1].kill()
    for vaults, to, expected in (
        (growing.now, growing.then, f"{growing.added[1].address} does not answer"),
        (
            growing.now,
            [*growing.now, growing.added[0].address],
            f"was started with --peers {','.join(sorted(growing.then))}",
        ),
        (growing.now, growing.now, "these are the vaults that the grid has"),
        (growing.now[:2], growing.now, "bad --vaults: the vaults of the grid are"),
        ([stranger.address], growing.now, "bad --vaults"),
        ([stranger.address], [stranger.address, f"{HOST}:1"], "start them with --peers"),
        (["nonsense"], growing.now, "bad --vaults: bad vault address 'nonsense'"),
        (growing.now, [*growing.now, growing.now[0]], "bad --to: vault"),
    ):
        status, said, errors = change(vaults, to)
        assert (status, said, errors.count("\n")) == (2, "", 1), (said, errors)
        assert errors.startswith("glitchgrid: ")
        assert expected in errors
    assert growing.grid.read() == 7, "and nothing was changed"
