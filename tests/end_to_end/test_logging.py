"""What servers log, and where that can't be written: real processes, pipes and files."""

import json
import os
import select
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import HOST, START_TIMEOUT_S, TWISTD, Server, Servers, Vault, ask, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
REQUESTS = 6_000
"""Enough that their lines fill a pipe of 64 KiB, and the mebibyte that waits for it."""

AT_ONCE = 20


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.splitlines()]


def logged(server: Server, **fields: object) -> list[dict[str, Any]]:
    return [line for line in lines(server) if fields.items() <= line.items()]


def pipeline(port: int, requests: int) -> None:
    """Have so many requests answered."""
    with socket.create_connection((HOST, port), timeout=START_TIMEOUT_S) as connection:
        for _ in range(requests // AT_ONCE):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n" * AT_ONCE)
            answers = b""
            while answers.count(b"HTTP/1.1 200") < AT_ONCE or not answers.endswith(b"\r\n\r\n0"):
                part = connection.recv(2**16)
                assert part, "the server has closed the connection"
                answers += part


def test_a_request_is_found_in_the_logs_of_control_and_vaults(servers: Servers) -> None:
    json_lines = ("--log-format", "json", "--access-log")
    vaults = [servers.vault(options=json_lines).restart() for _ in range(3)]
    control = servers.control([vault.address for vault in vaults], json_lines).restart()
    assert ask(control.port, "POST", "5", {"traceparent": TRACE, "X-Request-Id": "mine"}).status == 200
    (line,) = logged(control, traceparent=TRACE)
    assert (line["request_id"], line["method"], line["status"], line["level"]) == ("mine", "POST", 200, "info")
    assert len(line["time"]) == len("2026-11-30T09:05:00.000000Z")
    for vault in vaults:
        wait_until(lambda vault=vault: logged(vault, traceparent=TRACE, method="POST", status=200), "it has stored")  # type: ignore[misc]
    for vault in vaults[1:]:
        vault.kill()
    answer = ask(control.port, "POST", "6", {"traceparent": TRACE})
    assert answer.status == 500
    assert logged(control, request_id=answer.headers["X-Request-Id"], traceparent=TRACE, status=500, level="warn")


def test_a_log_that_nobody_reads_stops_nothing(servers: Servers) -> None:
    vault = servers.vault(options=("--access-log", "--log-format", "json"))
    reader, vault.standard_output = os.pipe()
    try:
        vault.restart()
        os.close(vault.standard_output)
        pipeline(vault.port, REQUESTS)
        read = b""

        def has_said_so() -> bool:
            nonlocal read
            ask(vault.port)  # what waits comes with a line that is new
            while select.select([reader], [], [], 0)[0]:
                read += os.read(reader, 2**20)
            return b" lines of this log could not be written, and are lost" in read

        wait_until(has_said_so, "it says what is lost")
        for line in read.splitlines()[:-1]:
            json.loads(line)
    finally:
        os.close(reader)
    assert ask(vault.port, "POST", "5").plain == (200, "5")
    vault.terminate()
    vault.wait_gone()


def test_nor_does_a_full_disk(servers: Servers) -> None:
    vault = servers.vault(options=("--access-log",))
    with Path("/dev/full").open("wb") as vault.standard_output:
        vault.restart()
    assert ask(vault.port, "POST", "5").plain == (200, "5")
    assert vault.stderr == ""
    vault.terminate()
    vault.wait_gone()


def test_levels(servers: Servers) -> None:
    vault: Vault = servers.vault(options=("--log-level", "error"))
    vault.restart()
    for value in ("9", "4"):
        ask(vault.port, "POST", value)
    (line,) = vault.log.splitlines()
    assert line.endswith(" [glitchgrid.storage.store.Store#error] Value decreases from 9 to 4")


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "missing" / "log", "No such file or directory"), (tmp_path, "Is a directory")):
        done = subprocess.run(
            [TWISTD, "--nodaemon", "--pidfile=", f"--logfile={path}", "vault", "--data-dir", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"twistd: bad --logfile {str(path)!r}: {problem}\n"
