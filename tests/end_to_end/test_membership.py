"""Vaults that know each other, as real processes: a birth, disks that are replaced, lists that differ."""

import contextlib
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.history.format import count
from glitchgrid.storage.record import Record
from glitchgrid.storage.slots import decode_file
from tests.certificates import Authority
from tests.end_to_end.processes import HOST, START_TIMEOUT_S, Servers, Vault, ask, free_port, guarded, wait_until
from tests.end_to_end.recording import Clients
from tests.end_to_end.test_several_controls import meanwhile

COUNT = 3
CLIENTS = 6


class KnownGrid:
    """Vaults with `--peers`, and a control, all of them up.

    :param everywhere: the vaults listen on every interface.
    """

    def __init__(
        self, servers: Servers, options: Sequence[str] = (), *, everywhere: bool = False, count: int = COUNT
    ) -> None:
        self.servers = servers
        ports = [free_port() for _ in range(count)]
        self.addresses = [f"{HOST}:{port}" for port in ports]
        self.options = ["--peers", ",".join(self.addresses), *options]
        self.vaults = [
            servers.vault(port=port, options=[*self.options, *(["--listen", f"tcp:{port}"] if everywhere else [])])
            for port in ports
        ]
        for vault in self.vaults:
            vault.start()
        for vault in self.vaults:
            wait_until_it_votes(vault)
        self.control = servers.control(self.addresses).restart()

    def write(self, value: int) -> None:
        answer = ask(self.control.port, "POST", str(value))
        assert answer.status == 200, answer

    def read(self) -> int:
        answer = ask(self.control.port)
        assert answer.status == 200, answer
        return int(answer.body)


def wait_until_it_votes(vault: Vault) -> None:
    vault.wait_ready()
    wait_until(lambda: ask(vault.port, path="/readyz").status == 200, f"{vault.name} votes")


def replace(vault: Vault) -> str:
    """kill -9, and an empty disk. Returns the identity that is gone."""
    identity = str(decode_file((vault.data_dir / "value").read_bytes()).record.identity)
    vault.kill()
    shutil.rmtree(vault.data_dir)
    return identity


def test_a_replaced_disk_is_taken_in_with_all_that_was_acknowledged(servers: Servers) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    lost = replace(grid.vaults[0])
    grid.write(9)
    grid.vaults[0].start()
    wait_until_it_votes(grid.vaults[0])
    assert ask(grid.vaults[0].port).body == "9"
    for vault in grid.vaults:
        assert ask(vault.port).headers["Glitchgrid-Fenced"] == lost
    grid.vaults[1].kill()
    assert grid.read() == 9
    grid.write(11)


def test_a_grid_that_has_lost_two_disks_at_once_waits_and_answers_nothing(servers: Servers) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    for vault in grid.vaults[:2]:
        replace(vault)
    for vault in grid.vaults[:2]:
        vault.restart()
        wait_until(lambda vault=vault: ask(vault.port).plain == (503, "Rejoining"), "it rejoins")  # type: ignore[misc]
    assert ask(grid.control.port).plain == (500, "-1")
    assert ask(grid.control.port, "POST", "8").status == 500
    said = ask(grid.vaults[0].port, path="/readyz").body
    assert "[-]roster failed: its disk was replaced: 1 of the 2 peers that it takes have let it in" in said


def test_the_disk_from_before_comes_back_and_has_no_vote(servers: Servers, tmp_path: Path) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    kept = tmp_path / "kept"
    vault = grid.vaults[0]
    vault.kill()
    vault.data_dir.rename(kept)
    vault.start()
    wait_until_it_votes(vault)
    vault.kill()
    shutil.rmtree(vault.data_dir)
    kept.rename(vault.data_dir)
    vault.restart()
    wait_until(lambda: ask(vault.port).plain == (503, "Replaced"), "it knows that it is fenced")
    assert "empty its data directory" in ask(vault.port, path="/readyz").body
    assert grid.read() == 7


def test_a_vault_comes_up_at_another_address(servers: Servers) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    grid.vaults[0].kill()
    port = free_port()
    addresses = [f"{HOST}:{port}", *grid.addresses[1:]]
    moved = servers.vault(port=port, options=["--peers", ",".join(addresses)]).start()
    wait_until_it_votes(moved)
    assert ask(moved.port).body == "7"
    grid.write(9)  # by a control that has the address from before
    wait_until(lambda: "list has an address from before" in grid.vaults[1].log, "that is said")
    control = servers.control(addresses).restart()
    assert ask(control.port, "POST", "11").status == 200
    wait_until(lambda: ask(moved.port).body == "11", "it is stored there, too")


def test_one_of_five_was_away_while_another_moved(servers: Servers) -> None:
    """It was not needed for that. Control, which has the new list, goes on when it is back, and counts it."""
    grid = KnownGrid(servers, count=5)
    grid.write(7)
    moving, second, third, _, away = grid.vaults
    away.kill()
    moving.kill()
    port = free_port()
    addresses = [f"{HOST}:{port}", *grid.addresses[1:]]
    wait_until_it_votes(servers.vault(port=port, options=["--peers", ",".join(addresses)]).start())
    control = servers.control(addresses).restart()
    assert ask(control.port, "POST", "8").status == 200
    values = itertools.count(9)

    def holds_what_was_written() -> str | None:
        """Written all the time, from before it listens: control asks it as soon as it does."""
        value = str(next(values))
        assert ask(control.port, "POST", value).status == 200, control.stderr
        with contextlib.suppress(OSError):
            return value if ask(away.port).plain == (200, value) else None
        return None

    away.start()
    value = wait_until(holds_what_was_written, "what is written is stored there, too")
    second.kill()
    third.kill()
    assert ask(control.port).plain == (200, value), "three of five are left, with that one"


def test_a_control_with_another_list_stops_and_says_what_differs(servers: Servers) -> None:
    grid = KnownGrid(servers)
    wrong = [*grid.addresses[:2], f"{HOST}:{free_port()}"]
    control = servers.control(wrong).start()
    assert control.wait_gone() == 1
    (line,) = [line for line in control.stderr.splitlines() if line.startswith("twistd control: ")]
    assert line.startswith(f"twistd control: bad --vaults: it lists {','.join(wrong)}. {HOST}:")
    theirs = ",".join(sorted(grid.addresses))
    assert line.endswith(f"The vaults of this grid are {theirs} (without {wrong[2]}; with {grid.addresses[2]})")


def test_a_control_may_reach_the_vaults_by_other_addresses_than_theirs(servers: Servers) -> None:
    grid = KnownGrid(servers, everywhere=True)
    elsewhere = [each.replace(HOST, "127.0.0.2") for each in grid.addresses]
    control = servers.control(elsewhere, ["--listed-as", ",".join(grid.addresses)]).restart()
    assert ask(control.port, "POST", "5").status == 200
    assert grid.read() == 5
    for options, option in (
        ((), "--vaults"),
        (("--listed-as", ",".join([*grid.addresses[:2], f"{HOST}:1"])), "--listed-as"),
    ):
        wrong = servers.control(elsewhere, options).start()
        assert wrong.wait_gone() == 1
        assert f"twistd control: bad {option}: it lists " in wrong.stderr


def test_peers_show_each_other_certificates_and_tokens(servers: Servers, tmp_path: Path) -> None:
    """Who has neither can fence nobody, and changes no list."""
    authority = Authority(tmp_path / "certificates")
    own = authority.issue("server", HOST)
    tls = authority.client(own)
    tokens = tmp_path / "tokens"
    tokens.write_text(f"write {'w' * 32}\nread {'r' * 32}\n", encoding="utf-8")
    tokens.chmod(0o600)
    shown = ["--vault-ca", str(authority.file), "--client-cert", str(own[0]), "--client-key", str(own[1])]
    closed = ["--tls-cert", str(own[0]), "--tls-key", str(own[1]), "--tls-client-ca", str(authority.file)]
    ports = [free_port() for _ in range(COUNT)]
    peers = ",".join(f"{HOST}:{port}" for port in ports)
    options = ["--peers", peers, *closed, *shown, "--token-file", str(tokens), "--vault-token-file", str(tokens)]
    vaults = [servers.vault(port=port, options=options) for port in ports]
    for vault in vaults:
        vault.tls = tls
        vault.start()
    for vault in vaults:
        vault.wait_ready()
        wait_until(lambda vault=vault: ask(vault.port, path="/readyz", tls=tls).status == 200, "it votes")  # type: ignore[misc]
    replace(vaults[0])
    vaults[0].restart()
    wait_until(lambda: "phase formed" in ask(vaults[0].port, path="/roster", headers=reads(), tls=tls).body, "it votes")
    for headers, status in (({}, 401), (reads(), 403)):
        for path in ("/roster/fence", "/roster/change"):
            assert ask(vaults[1].port, "POST", "x", headers, path=path, tls=tls).status == status


def reads() -> dict[str, str]:
    return {"Authorization": f"Bearer {'r' * 32}"}


def test_a_store_without_a_list_is_refused_unless_that_is_allowed(servers: Servers) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    refused = guarded(grid.vaults[0].port, 9)
    assert refused.plain == (428, "A store needs Glitchgrid-List, as control sends it")
    wait_until(lambda: ask(grid.vaults[0].port).body == "7", "it has what the others have had before it")
    grid.vaults[0].kill()
    allowing = servers.vault(
        port=grid.vaults[0].port, data_dir=grid.vaults[0].data_dir, options=[*grid.options, "--allow-unlisted"]
    ).restart()
    assert guarded(allowing.port, 9).plain == (200, "9")


def test_vaults_that_hold_values_form_a_grid_one_after_the_other(servers: Servers) -> None:
    """A grid from before: its vaults are restarted with `--peers`, and a majority answers all the time."""
    vaults = [servers.vault() for _ in range(COUNT)]
    addresses = [vault.address for vault in vaults]
    for vault in vaults:
        vault.restart()
    control = servers.control(addresses).restart()
    for value, vault in enumerate(vaults, 5):
        assert ask(control.port, "POST", str(value)).status == 200
        wait_until(lambda value=value: all(ask(each.port).body == str(value) for each in vaults), "all hold it")  # type: ignore[misc]
        vault.terminate()
        vault.wait_gone()
        vault._options += ["--peers", ",".join(addresses)]
        vault.restart()
        assert ask(vault.port).plain == (200, str(value))
    for vault in vaults:
        wait_until(lambda vault=vault: "phase formed" in ask(vault.port, path="/roster").body, "it is formed")  # type: ignore[misc]
    assert ask(control.port).plain == (200, "7")


@pytest.mark.parametrize("moment", ["at once", "after a crash in the middle"])
def test_no_operation_fails_and_nothing_is_lost_while_disks_are_replaced(tmp_path: Path, moment: str) -> None:
    with Servers(tmp_path) as servers:
        grid = KnownGrid(servers)
        with Clients(tmp_path / "history.jsonl", [grid.control.port], CLIENTS, seed=1) as clients:
            meanwhile(clients, 50)
            for vault in grid.vaults:
                replace(vault)
                vault.start()
                if moment != "at once":
                    wait_until((vault.data_dir / "value").exists, "it has begun")
                    vault.kill()
                    vault.start()
                wait_until_it_votes(vault)
                meanwhile(clients, 50)
        history = clients.history
        assert servers.bugs() == []
    counts = count(history)
    assert (counts.ambiguous, counts.failed) == (0, 0), counts
    assert check(history, 100) == Linearizable(), counts


def refused(vault: Vault) -> str:
    """Start one that has something wrong: it ends with 1, says one line, which this returns, and writes nothing."""
    before, said = contents(vault), vault.stderr
    vault.start()
    assert vault.wait_gone() == 1
    (line,) = vault.stderr.removeprefix(said).splitlines()
    assert contents(vault) == before
    assert line.startswith("twistd vault: ")
    return line.removeprefix("twistd vault: ")


def contents(vault: Vault) -> tuple[Record, bytes]:
    """What it holds, and its roster. (At each start the value is written anew.)"""
    value, roster = (vault.data_dir / name for name in ("value", "roster"))
    return decode_file(value.read_bytes()).record, roster.read_bytes()


def test_lists_that_cannot_be(servers: Servers) -> None:
    grid = KnownGrid(servers)
    first, *others = grid.addresses
    grid.vaults[0].kill()
    directory = grid.vaults[0].data_dir

    def with_peers(*peers: str) -> Vault:
        return servers.vault(port=grid.vaults[0].port, data_dir=directory, options=["--peers", ",".join(peers)])

    assert refused(with_peers(first, first, *others)).startswith(f"bad --peers: vault {first} is listed twice")
    assert refused(with_peers(*grid.addresses, f"{HOST}:1")).startswith(f"bad --peers: it lists {HOST}:1,")
    assert refused(with_peers(f"{HOST}:1", f"{HOST}:2", first)).startswith(f"bad --peers: it lists {HOST}:1,")
    grid.vaults[0].restart()
    wait_until_it_votes(grid.vaults[0])
    odd = servers.vault(options=["--peers", ",".join(grid.addresses)]).start()
    assert odd.wait_gone(START_TIMEOUT_S) == 1
    assert "bad --peers: none of them leads to this vault, which has to be among them" in odd.stderr
    grid.write(7)


def test_directories_that_cannot_be_this_grids(servers: Servers) -> None:
    grid = KnownGrid(servers)
    grid.write(7)
    vault = grid.vaults[0]
    vault.kill()
    roster = vault.data_dir / "roster"
    good = roster.read_bytes()
    roster.write_bytes(good[:-9])
    assert refused(vault).startswith(f"{roster} is damaged: ")
    roster.write_bytes((grid.vaults[1].data_dir / "roster").read_bytes())
    assert "it is of another vault than value" in refused(vault)
    roster.write_bytes(good)
    other = KnownGrid(servers)
    other.write(9)
    other.vaults[0].kill()
    shutil.move(vault.data_dir, vault.data_dir.with_name("kept"))
    shutil.copytree(other.vaults[0].data_dir, vault.data_dir)
    said = refused(vault)
    assert said.startswith("bad --peers: it lists ")
    assert said.endswith(f", and the grid has {', '.join(sorted(other.addresses))}")
    assert grid.read() == 7
