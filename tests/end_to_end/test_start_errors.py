"""A server that can't start says why in one line on standard error, and leaves with a status that is not 0."""

import os
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, Servers, ask, twistd_fails

LISTEN = ["--listen", f"tcp:0:interface={HOST}"]


def vault_fails(tmp_path: Path, data_dir: Path | str) -> str:
    return twistd_fails(["vault", *LISTEN, "--data-dir", str(data_dir)], tmp_path)


def check_each(names: Iterable[str], check: Callable[[str], object]) -> None:
    """Run `check` for every name, two at a time, and fail with all those for which it failed."""

    def outcome(name: str) -> str | None:
        try:
            check(name)
        except AssertionError as error:
            return f"{name!r}: {error}"
        return None

    with ThreadPoolExecutor(2) as threads:
        failures = [text for text in threads.map(outcome, names) if text is not None]
    assert not failures, "\n".join(failures)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


# ---- the data directory


def test_second_vault_on_one_directory_is_refused_and_hurts_nothing(servers: Servers, tmp_path: Path) -> None:
    vault = servers.vault().restart()
    assert ask(vault.port, "POST", "7").plain == (200, "7")
    line = vault_fails(tmp_path, vault.data_dir)
    assert str(vault.data_dir) in line
    assert "in use" in line
    # The same directory by another name is the same directory.
    link = tmp_path / "link"
    link.symlink_to(vault.data_dir)
    assert "in use" in vault_fails(tmp_path, link)
    assert ask(vault.port, "POST", "8").plain == (200, "8")
    vault.kill()
    assert ask(vault.restart().port).plain == (200, "8")


def test_lock_on_a_directory_ends_with_kill_9(servers: Servers) -> None:
    """The lock is the process's own: nothing that kill -9 leaves behind keeps the next vault out."""
    first = servers.vault().restart()
    first.kill()
    second = servers.vault(data_dir=first.data_dir).restart()
    assert ask(second.port).plain == (200, "0")


def record(value: bytes = b"42", version: bytes = b"1", checksum: bytes | None = None) -> bytes:
    """A vault's file of the first format, written by hand."""
    covered = b"glitchgrid-vault %s\nidentity %s\nvalue %s\n" % (version, b"0123456789abcdef" * 2, value)
    return covered + b"crc32 %s\n" % (checksum or b"%08x" % zlib.crc32(covered))


def slot(sequence: int, value: bytes = b"42", checksum: bytes | None = None) -> bytes:
    """A slot of a vault's file, written by hand."""
    identity = b"0123456789abcdef" * 2
    covered = b"glitchgrid-vault 2\nidentity %s\nsequence %d\nvalue %s\n" % (identity, sequence, value)
    return (covered + b"crc32 %s\n" % (checksum or b"%08x" % zlib.crc32(covered))).ljust(4096, b"\0")


def test_file_written_by_hand_is_read(servers: Servers, tmp_path: Path) -> None:
    """Else the damaged ones below might be refused for a reason that is not the damage."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "value").write_bytes(record())
    # What an interrupted store leaves beside the file is no value, whatever it holds.
    (tmp_path / "data" / "value.new").write_bytes(b"glitchgrid-vault 1\nidenti")
    vault = servers.vault(data_dir=tmp_path / "data").restart()
    assert ask(vault.port).plain == (200, "42")
    assert ask(vault.port, "POST", "43").plain == (200, "43")
    vault.kill()
    assert ask(vault.restart().port).plain == (200, "43")


def test_slots_written_by_hand_are_read(servers: Servers, tmp_path: Path) -> None:
    """The larger sequence number counts, and one bad slot is said in the log."""
    for name, data, value in (
        ("sound", slot(8, b"5") + slot(7, b"42"), "5"),
        ("one bad slot", slot(8, b"5", b"00000000") + slot(7, b"42"), "42"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "value").write_bytes(data)
        vault = servers.vault(data_dir=tmp_path / name).restart()
        assert ask(vault.port).plain == (200, value)
        said = f"{tmp_path / name}/value: the first of its two slots is damaged: its checksum does not fit"
        assert (said in vault.log) == (name == "one bad slot")


DAMAGED = {
    "empty": b"",
    "cut by one byte": record()[:-1],
    "cut in the middle": record()[:30],
    "one digit changed": record(value=b"43", checksum=record()[-9:-1]),
    "twice": record() + record(),
    "zeros": b"\0" * len(record()),
    "bare number": b"42\n",
    "later version": record(version=b"3"),
    "too large a value": record(value=b"9223372036854775808"),
    "long and binary": bytes(range(256)) * 64,
    "two bad slots": slot(8, checksum=b"00000000") + slot(7, checksum=b"00000000"),
    "one slot": slot(8),
    "slots in each other's place": slot(7) + slot(8),
    "slots with a gap": slot(8) + slot(11),
    "slots cut by one byte": (slot(8) + slot(7))[:-1],
    "slots of zeros": b"\0" * 8192,
}


def test_damaged_file_stops_the_vault_and_stays_as_it_is(tmp_path: Path) -> None:
    def started(name: str) -> str:
        file = tmp_path / name / "value"
        file.parent.mkdir()
        file.write_bytes(DAMAGED[name])
        line = vault_fails(tmp_path, file.parent)
        assert f"{file} is damaged" in line
        assert file.read_bytes() == DAMAGED[name]
        return line

    check_each(DAMAGED, started)


def test_value_that_is_a_directory_stops_the_vault(tmp_path: Path) -> None:
    (tmp_path / "data" / "value").mkdir(parents=True)
    assert str(tmp_path / "data") in vault_fails(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("below", ["", "/below"])
def test_file_in_the_place_of_the_directory(below: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file", encoding="ascii")
    assert f"{tmp_path}/plain{below} cannot be used" in vault_fails(tmp_path, f"{tmp_path}/plain{below}")


@pytest.mark.parametrize("path", ["/proc/glitchgrid/data", "/proc/self/data"])
def test_directory_that_nobody_may_make(path: str, tmp_path: Path) -> None:
    """Root's permissions end at /proc, so this holds for every user."""
    assert f"{path} cannot be used" in vault_fails(tmp_path, path)


def test_directory_without_permission(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if os.geteuid() == 0:
        # Permission bits do not bind root; a directory of the kernel's, in which nobody may write, does.
        data = Path("/proc/self/fdinfo")
    else:
        data.chmod(0o500)
    assert f"{data} cannot be used" in vault_fails(tmp_path, data)


def test_directory_with_too_long_a_name(tmp_path: Path) -> None:
    assert "cannot be used" in vault_fails(tmp_path, tmp_path / ("x" * 300))


def test_directory_whose_name_is_no_text(tmp_path: Path) -> None:
    line = twistd_fails([b"vault", b"--listen", b"tcp:0", b"--data-dir", b"/proc/\xff"], tmp_path, {"LC_ALL": "C"})
    assert "cannot be used" in line


def test_directory_whose_name_has_a_line_break(tmp_path: Path) -> None:
    assert "cannot be used" in vault_fails(tmp_path, "/proc/one\ntwo")


# ---- where it listens


@pytest.mark.parametrize("program", ["vault", "control"])
@pytest.mark.parametrize("by", ["--listen", "--port"])
def test_port_in_use(program: str, by: str, taken_port: int, tmp_path: Path) -> None:
    options = ["--data-dir", str(tmp_path / "data")] if program == "vault" else ["--vaults", f"{HOST}:1"]
    where = f"tcp:{taken_port}:interface={HOST}" if by == "--listen" else str(taken_port)
    line = twistd_fails([program, by, where, *options], tmp_path)
    assert str(taken_port) in line
    assert "in use" in line


def test_bad_endpoint(tmp_path: Path) -> None:
    def started(endpoint: str) -> None:
        line = twistd_fails(["control", "--listen", endpoint, "--vaults", f"{HOST}:1"], tmp_path)
        assert repr(endpoint) in line or f" {endpoint}:" in line, line
        assert "internal error" not in line, line

    check_each(["nonsense:1", "", "tcp", "tcp:x", "tcp:99999", "tcp:-1", "ssl:0:privateKey=/nowhere.pem"], started)


@pytest.mark.parametrize("endpoint", ["tcp:0:interface=203.0.113.1", "unix:/nowhere/socket"])
def test_endpoint_that_this_machine_does_not_have(endpoint: str, tmp_path: Path) -> None:
    line = twistd_fails(["vault", "--listen", endpoint, "--data-dir", str(tmp_path / "data")], tmp_path)
    assert f"cannot listen on {endpoint}" in line


# ---- options

ONE = ["--vaults", f"{HOST}:1"]

BAD_OPTIONS_OF_CONTROL: dict[str, tuple[list[str], str]] = {
    "no vaults": ([], "--vaults is missing"),
    "empty list": (["--vaults", ""], "list of vaults is empty"),
    "empty item": (["--vaults", f"{HOST}:1,"], "''"),
    "no port": (["--vaults", HOST], f"'{HOST}'"),
    "port 0": (["--vaults", f"{HOST}:0"], f"'{HOST}:0'"),
    "port too large": (["--vaults", f"{HOST}:65536"], f"'{HOST}:65536'"),
    "URL": (["--vaults", "http://vault:1"], "'http://vault:1'"),
    "IPv6 without brackets": (["--vaults", "::1:8001"], "'::1:8001'"),
    "half an IPv4": (["--vaults", "127.0.0:1"], "'127.0.0:1'"),
    "line break": (["--vaults", "a:1\nb"], "'a:1\\nb'"),
    "twice": (["--vaults", f"{HOST}:1,other:2,{HOST}:1"], f"{HOST}:1 is listed twice"),
    "twice, by name": (["--vaults", f"{HOST}:1,localhost:1"], f"as {HOST}:1 and as localhost:1"),
    "twice, in another case": (["--vaults", "vault:1,VAULT.:1"], "as vault:1 and as VAULT.:1"),
    "twice, with zeros": (["--vaults", f"{HOST}:1,{HOST}:001"], f"{HOST}:1 is listed twice"),
    "twice, as IPv6": (["--vaults", "[::1]:1,[0:0::1]:1"], "[0:0::1]:1 is listed twice"),
    "twice, mapped into IPv6": (["--vaults", f"[::ffff:{HOST}]:1,{HOST}:1"], f"{HOST}:1 is listed twice"),
    "too many": (["--vaults", ",".join(f"host:{port}" for port in range(1, 70))], "69 vaults"),
    "unknown protocol": ([*ONE, "--protocol", "paxos"], "'paxos'"),
    "no timeout": ([*ONE, "--vault-timeout", "0"], "--vault-timeout '0'"),
    "timeout too long": ([*ONE, "--vault-timeout", "60"], "--vault-timeout '60'"),
    "unknown option": ([*ONE, "--bogus"], "--bogus"),
    "argument too many": ([*ONE, "extra"], "extra"),
    "option without its value": (["--vaults"], "--vaults"),
}

BAD_OPTIONS_OF_A_VAULT: dict[str, tuple[list[str], str]] = {
    "no data directory": (LISTEN, "--data-dir is missing"),
    "empty data directory": ([*LISTEN, "--data-dir", ""], "--data-dir is missing"),
    "port too large": (["--port", "65536", "--data-dir", "data"], "--port '65536'"),
    "port that is no number": (["--port", "http", "--data-dir", "data"], "--port 'http'"),
    "two places to listen": (["--port", "1", *LISTEN, "--data-dir", "data"], "--port and --listen"),
    "unknown option": ([*LISTEN, "--data-dir", "data", "--bogus"], "--bogus"),
    "argument too many": ([*LISTEN, "--data-dir", "data", "extra"], "extra"),
}


@pytest.mark.thorough
def test_bad_options_of_control(tmp_path: Path) -> None:
    def started(name: str) -> None:
        options, culprit = BAD_OPTIONS_OF_CONTROL[name]
        line = twistd_fails(["control", *LISTEN, *options], tmp_path)
        assert culprit in line, line

    check_each(BAD_OPTIONS_OF_CONTROL, started)


def test_bad_options_of_a_vault(tmp_path: Path) -> None:
    def started(name: str) -> None:
        options, culprit = BAD_OPTIONS_OF_A_VAULT[name]
        line = twistd_fails(["vault", *options], tmp_path)
        assert culprit in line, line

    check_each(BAD_OPTIONS_OF_A_VAULT, started)
    assert not (tmp_path / "data").exists()
