"""The workload's verdict, against real grids and against a control whose every answer the test has written."""

import http.server
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from tests.end_to_end.processes import HOST, SLACK_S, Grid, Servers, free_port, one_line, sent, using

WORKLOAD = Path(__file__).parents[2] / "workload" / "workload.sh"
SECONDS_MAX = 60.0
NO_CHECK = 10**8
"""A multiple that is never reached: only the last read is made."""

START = "=== START TEST ==="
GOOD = "Test completed with storage in a consistent and correct state."
INCONSISTENT = "ERROR: Test completed with storage in an inconsistent state."
END = "==== END TEST ===="
LINES = [
    START, END, GOOD, r"ERROR: .+", r"HttpStatus=\d{3} Message=.*",
    r"HttpStatus=\d{3} Expected=\d+(\.\.\d+)? Actual=.*",
]  # fmt: skip


class Run(NamedTuple):
    status: int
    lines: list[str]
    stderr: str
    took_s: float

    @property
    def checks(self) -> list[str]:
        """Expected and actual of every read, the last one included."""
        return [line.partition(" ")[2] for line in self.lines if " Expected=" in line]


class Workload:
    """Runs the script in a directory of its own, with an environment of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._lock = threading.Lock()

    def run(self, *arguments: str, **settings: int | str) -> Run:
        """Run it to its end. No check and no delay but those that are asked for; steps of 1."""
        began = time.monotonic()
        with self.started(*arguments, **settings) as process:
            stdout, stderr = process.communicate(timeout=SECONDS_MAX)
        run = Run(process.returncode, stdout.splitlines(), stderr, time.monotonic() - began)
        if run.lines:
            assert (run.lines[0], run.lines[-1]) == (START, END)
            assert stderr == ""
        for line in run.lines:
            assert any(re.fullmatch(pattern, line) for pattern in LINES), line
        return run

    def _home(self) -> Path:
        """Of a user whose settings for curl would spoil every answer."""
        home = self._directory / "home"
        home.mkdir(exist_ok=True)
        (home / ".curlrc").write_text(
            "include\nrequest = PUT\nfail\noutput = answer\nmax-time = 0.001\n", encoding="utf-8"
        )
        return home

    @contextmanager
    def started(self, *arguments: str, **settings: int | str) -> Iterator[subprocess.Popen[str]]:
        with self._lock:
            self._number += 1
            temporary = self._directory / f"workload-{self._number}"
        temporary.mkdir()
        defaults = {"START_DELAY": 10, "FINAL_DELAY": 0, "NUM_STEPS": 3, "MAX_STEP_SIZE": 1}
        values = {"CHECK_WHEN_MULTIPLE_OF": NO_CHECK, **defaults, **settings}
        environment = {name: str(value) for name, value in values.items() if value != "unset"}
        # A proxy that nobody is: the workload must not ask it.
        environment |= {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "http_proxy": f"http://{HOST}:1/"}
        environment["HOME"] = str(self._home())
        process = subprocess.Popen(
            [str(WORKLOAD), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=temporary,
            env=environment,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()
        assert list(temporary.iterdir()) == [], "it left files behind"


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    return Workload(tmp_path)


# ---- a real grid


def test_verdict_by_how_many_vaults_are_up(servers: Servers, workload: Workload, protocol: str) -> None:
    grid = servers.grid(options=using(protocol))
    settings = {"NUM_STEPS": 5, "CHECK_WHEN_MULTIPLE_OF": 5}
    run = workload.run(grid.control.address, **settings)
    assert run.lines == [START, *good_steps(protocol, 3, 5), GOOD, END]
    assert run.status == 0

    grid.vaults[0].kill()
    run = workload.run(grid.control.address, **settings)
    assert run.lines == [START, *good_steps(protocol, 2, 10), GOOD, END]
    assert run.status == 0

    grid.vaults[1].kill()
    run = workload.run(grid.control.address, START_DELAY=1)
    assert run.lines[-2] == INCONSISTENT
    assert run.status == 2


def write_lines(protocol: str, up: int) -> list[str]:
    """How the workload may show a write, with so many vaults up."""
    return [f"HttpStatus={status} Message={text}" for status, text in sent(protocol, up)]


def good_steps(protocol: str, up: int, value: int) -> list[str]:
    (written,) = write_lines(protocol, up)
    return [written] * 5 + [f"HttpStatus=200 Expected={value} Actual={value}"] * 2


def test_majority_that_is_lost_and_stays_away(servers: Servers, workload: Workload, protocol: str) -> None:
    grid = servers.grid(options=using(protocol))
    with workload.started(grid.control.address, NUM_STEPS=30) as process:
        assert process.stdout is not None
        lines = lose_majority(grid, process, process.stdout, "|".join(write_lines(protocol, 1)))
        lines += [line.rstrip("\n") for line in process.stdout]
        status = process.wait(SECONDS_MAX)
    last_read = re.fullmatch(r"HttpStatus=500 Expected=(\d+)\.\.30 Actual=-1", lines[-4])
    assert last_read is not None, lines
    assert 4 <= int(last_read[1]) < 30
    assert lines[-2:] == [INCONSISTENT, END]
    assert status == 2


def test_majority_that_is_lost_and_comes_back(servers: Servers, workload: Workload, protocol: str) -> None:
    """What was ambiguous on the way is settled by the writes that follow."""
    grid = servers.grid(options=using(protocol))
    with workload.started(grid.control.address, NUM_STEPS=20, CHECK_WHEN_MULTIPLE_OF=10) as process:
        assert process.stdout is not None
        lines = lose_majority(grid, process, process.stdout, r"HttpStatus=500 Expected=\d+\.\.10 Actual=-1")
        process.send_signal(signal.SIGSTOP)
        for vault in grid.vaults[:2]:
            vault.start()
        for vault in grid.vaults[:2]:
            vault.wait_ready()
        process.send_signal(signal.SIGCONT)
        lines += [line.rstrip("\n") for line in process.stdout]
        status = process.wait(SECONDS_MAX)
    assert lines[-3:] == ["HttpStatus=200 Expected=20 Actual=20", GOOD, END]
    assert status == 0


def lose_majority(grid: Grid, process: subprocess.Popen[str], stdout: IO[str], until: str) -> list[str]:
    """Kill two of three vaults while the workload writes, and wait for a line that shows it. The lines until then."""
    lines = [next(stdout).rstrip("\n") for _ in range(5)]
    process.send_signal(signal.SIGSTOP)
    for vault in grid.vaults[:2]:
        vault.kill()
    process.send_signal(signal.SIGCONT)
    while not re.fullmatch(until, lines[-1]):
        lines.append(next(stdout).rstrip("\n"))
    return lines


# ---- a control by the book


class Reply(NamedTuple):
    """What a request is answered, and whether it is stored before that."""

    status: int
    text: str = ""
    stores: bool = False
    length: int | None = None
    """What the answer says its length is, where that is not the truth."""


LOST = Reply(0)
"""The connection is closed instead of an answer."""

SILENT = Reply(-1)
"""Nothing ever comes."""

REFUSED = Reply(500, "Sent updates to 1/3 vaults")
UNDECIDED = Reply(500, "-1")


class Script(http.server.ThreadingHTTPServer):
    """A control that stores and reads faithfully, but for the requests that it has a reply for: the first is 1."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, value: int, gets: Mapping[int, Reply], posts: Mapping[int, Reply]) -> None:
        super().__init__((HOST, 0), _ScriptHandler)
        self.value = value
        self.replies = {"GET": dict(gets), "POST": dict(posts)}
        self.counts = {"GET": 0, "POST": 0}
        self.requests: list[tuple[float, str]] = []
        self.ended = threading.Event()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server_address[1]}"

    def reply(self, method: str, body: str) -> Reply:
        self.requests.append((time.monotonic(), f"{method} {body}".strip()))
        self.counts[method] += 1
        faithful = Reply(200, str(self.value)) if method == "GET" else Reply(200, "Sent updates to 3/3 vaults", True)
        reply = self.replies[method].get(self.counts[method], faithful)
        if reply.stores:
            self.value = int(body)
        return reply


class _ScriptHandler(http.server.BaseHTTPRequestHandler):
    server: Script
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(self.server.reply("GET", ""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self.server.reply("POST", body.decode("ascii")))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""

    def _answer(self, reply: Reply) -> None:
        self.close_connection = True
        if reply == SILENT:
            self.server.ended.wait(SECONDS_MAX)
        if reply in {SILENT, LOST}:
            return
        text = reply.text.encode("utf-8")
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(text) if reply.length is None else reply.length))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def script(
    value: int = 0, gets: Mapping[int, Reply] | None = None, posts: Mapping[int, Reply] | None = None
) -> Iterator[Script]:
    with Script(value, gets or {}, posts or {}) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()


def test_it_starts_above_what_it_reads_first(workload: Workload) -> None:
    with script(value=41) as control:
        run = workload.run(control.address, NUM_STEPS=20, MAX_STEP_SIZE=5)
        assert run.status == 0
        values = [41, *(int(request.split()[1]) for _, request in control.requests if request.startswith("POST"))]
    steps = [later - earlier for earlier, later in pairwise(values)]
    assert len(steps) == 20
    assert set(steps) <= {1, 2, 3, 4, 5}
    assert len(set(steps)) > 1
    assert run.checks == [f"Expected={values[-1]} Actual={values[-1]}"]


@pytest.mark.parametrize("step_max", [1, 3])
def test_every_check_is_made_and_followed_by_a_pause(workload: Workload, step_max: int) -> None:
    settings = {"NUM_STEPS": 8, "MAX_STEP_SIZE": step_max, "CHECK_WHEN_MULTIPLE_OF": 4, "FINAL_DELAY": 1}
    with script() as control:
        run = workload.run(control.address, **settings)
        requests = control.requests
    assert run.status == 0
    assert requests[0][1] == requests[-1][1] == "GET"
    due = 0
    for (_, request), (next_at, next_request) in pairwise(requests[1:]):
        if request.startswith("POST") and int(request.split()[1]) % 4 == 0:
            assert next_request == "GET"
            due += 1
        elif request == "GET":
            checked_at = max(at for at, name in requests if name == "GET" and at < next_at)
            assert next_at - checked_at > 0.9
        elif next_request == "GET":
            assert (next_at, next_request) == requests[-1], "a check that was not due"
    assert due == len(run.checks) - 1
    assert due == 2 or step_max > 1
    assert requests[-1][0] - requests[-2][0] > 0.9, "FINAL_DELAY was not waited for"


Case = tuple[dict[str, int], dict[int, Reply], dict[int, Reply], int, list[str]]

# Settings, replies to GET and to POST (the first of each is 1; the first GET is the beginning), the exit status,
# and what each check must show. Values are 1, 2, 3, ...
CASES: dict[str, Case] = {
    "nothing happens": ({}, {}, {}, 0, ["Expected=3 Actual=3"]),
    "no step": ({"NUM_STEPS": 0}, {}, {}, 0, ["Expected=0 Actual=0"]),
    "incorrect on the way, and right at the end": (
        {"CHECK_WHEN_MULTIPLE_OF": 2},
        {2: Reply(200, "1")},
        {},
        1,
        ["Expected=2 Actual=1", "Expected=3 Actual=3"],
    ),
    "incorrect at the end": ({}, {2: Reply(200, "4")}, {}, 1, ["Expected=3 Actual=4"]),
    "inconsistent on the way": (
        {"CHECK_WHEN_MULTIPLE_OF": 2},
        {2: UNDECIDED},
        {},
        0,
        ["Expected=2 Actual=-1", "Expected=3 Actual=3"],
    ),
    "inconsistent at the end": ({}, {2: UNDECIDED}, {}, 2, ["Expected=3 Actual=-1"]),
    "lost at the end": ({}, {2: LOST}, {}, 2, ["Expected=3 Actual=no answer"]),
    "incorrect on the way, and inconsistent at the end": (
        {"CHECK_WHEN_MULTIPLE_OF": 2},
        {2: Reply(200, "1"), 3: UNDECIDED},
        {},
        1,
        ["Expected=2 Actual=1", "Expected=3 Actual=-1"],
    ),
    "a 400 has not happened": ({}, {}, {3: Reply(400, "Client would")}, 0, ["Expected=2 Actual=2"]),
    "a 400 that has happened": ({}, {}, {3: Reply(400, "Client would", stores=True)}, 1, ["Expected=2 Actual=3"]),
    "a 500 that has not happened": ({}, {}, {3: REFUSED}, 0, ["Expected=2..3 Actual=2"]),
    "a 500 that has happened": ({}, {}, {3: REFUSED._replace(stores=True)}, 0, ["Expected=2..3 Actual=3"]),
    "several 500": ({}, {2: Reply(200, "2")}, dict.fromkeys((2, 3), REFUSED), 0, ["Expected=1..3 Actual=2"]),
    "a 500, and less than was acknowledged": ({}, {2: Reply(200, "1")}, {3: REFUSED}, 1, ["Expected=2..3 Actual=1"]),
    "a 500, and more than was attempted": ({}, {2: Reply(200, "4")}, {3: REFUSED}, 1, ["Expected=2..3 Actual=4"]),
    "a 500 that happens later": (
        {"CHECK_WHEN_MULTIPLE_OF": 3},
        {2: Reply(200, "2"), 3: Reply(200, "3")},
        {3: REFUSED},
        0,
        ["Expected=2..3 Actual=2", "Expected=2..3 Actual=3"],
    ),
    "a 500 that was read, and is gone": (
        {"CHECK_WHEN_MULTIPLE_OF": 3},
        {2: Reply(200, "3"), 3: Reply(200, "2")},
        {3: REFUSED},
        1,
        ["Expected=2..3 Actual=3", "Expected=3 Actual=2"],
    ),
    "an acknowledged write ends all doubt": ({}, {}, {1: REFUSED, 2: LOST}, 0, ["Expected=3 Actual=3"]),
    "a lost write": ({}, {}, {3: LOST}, 0, ["Expected=2..3 Actual=2"]),
    "a write whose answer is cut": ({}, {}, {3: Reply(200, "Sent", True, 50)}, 0, ["Expected=2..3 Actual=3"]),
    "a write that is not answered": ({}, {}, {3: SILENT}, 0, ["Expected=2..3 Actual=2"]),
    "a write with a status of its own": ({}, {}, {3: Reply(503, "Too many")}, 0, ["Expected=2..3 Actual=2"]),
    "a read that is cut": ({}, {2: Reply(200, "3", length=2)}, {}, 2, ["Expected=3 Actual=no answer"]),
    "no answer to the last read": ({}, {2: SILENT}, {}, 2, ["Expected=3 Actual=no answer"]),
    "words": ({}, {2: Reply(200, "three")}, {}, 1, ["Expected=3 Actual=three"]),
    "nothing": ({}, {2: Reply(200, "")}, {}, 1, ["Expected=3 Actual="]),
    "sign": ({}, {2: Reply(200, "+3")}, {}, 1, ["Expected=3 Actual=+3"]),
    "octal": ({}, {2: Reply(200, "08")}, {}, 1, ["Expected=3 Actual=08"]),
    "larger than numbers are": ({}, {2: Reply(200, "18446744073709551619")}, {}, 1, [
        "Expected=3 Actual=18446744073709551619"
    ]),
    "code": ({}, {2: Reply(200, "a[$(touch file)]")}, {}, 1, ["Expected=3 Actual=a[$(touch file)]"]),
    "two lines": ({}, {2: Reply(200, "3\n4")}, {}, 1, ["Expected=3 Actual=3 4"]),
    "format": ({}, {2: Reply(200, "%d%n")}, {}, 1, ["Expected=3 Actual=%d%n"]),
}  # fmt: skip


@pytest.mark.thorough
def test_verdicts(workload: Workload) -> None:
    """Several at a time, for what they do is wait."""

    def wrong(name: str) -> str | None:
        settings, gets, posts, status, checks = CASES[name]
        with script(gets=gets, posts=posts) as control:
            run = workload.run(control.address, **settings)
        soundly_ended = (run.lines[-2] == GOOD) == (status == 0)
        return None if (run.status, run.checks, soundly_ended) == (status, checks, True) else f"{name}: {run}"

    with ThreadPoolExecutor(6) as threads:
        failures = [failure for failure in threads.map(wrong, CASES) if failure is not None]
    assert not failures, "\n".join(failures)


def test_ambiguous_writes_show_as_a_range(workload: Workload) -> None:
    """The spec's own example."""
    with script(value=11, posts=dict.fromkeys((2, 3, 4), REFUSED)) as control:
        run = workload.run(control.address, NUM_STEPS=4)
    assert "HttpStatus=200 Expected=12..15 Actual=12" in run.lines
    assert run.status == 0


def test_it_waits_for_the_grid_no_longer_than_it_must(workload: Workload) -> None:
    """Garbage, errors and silence are no beginning."""
    not_yet = [
        UNDECIDED,
        LOST,
        Reply(200, "soon"),
        Reply(200, "-1"),
        Reply(200, "9" * 19),
        Reply(200, "9" * 20),
        Reply(503, "0"),
    ]
    with script(value=7, gets=dict(enumerate(not_yet, start=1))) as control:
        run = workload.run(control.address, START_DELAY=30)
    assert run.checks == ["Expected=10 Actual=10"]
    assert run.status == 0
    assert run.took_s < 10


def test_grid_that_never_answers(workload: Workload) -> None:
    def never(address: str, start_delay_s: int) -> Run:
        run = workload.run(address, START_DELAY=start_delay_s)
        assert run.status == 2
        assert len(run.lines) == 4
        assert f"did not tell its value within {start_delay_s} seconds" in run.lines[1]
        assert run.lines[2:] == [INCONSISTENT, END]
        # A last request may have been under way for a second when the time was over.
        assert start_delay_s - 1 <= run.took_s < start_delay_s + 1 + SLACK_S
        return run

    garbage = {number: Reply(200, "soon") for number in range(1, 1000)}
    with socket.socket() as silent, script(gets=garbage) as control:
        silent.bind((HOST, 0))
        silent.listen()
        addresses = [
            f"{HOST}:{free_port()}",
            f"{HOST}:{silent.getsockname()[1]}",
            control.address,
            "no.such.host.invalid:1",
        ]
        with ThreadPoolExecutor(len(addresses)) as threads:
            runs = list(threads.map(lambda address: never(address, 2), addresses))
        never(addresses[0], 0)
    assert "HttpStatus=000 Message=no answer" in runs[0].lines[1]
    assert "HttpStatus=200 Message=soon" in runs[2].lines[1]


def test_the_largest_value_ends_it(workload: Workload) -> None:
    with script(value=2**63 - 2) as control:
        run = workload.run(control.address)
        assert control.value == 2**63 - 1
    assert run.checks == [f"Expected={2**63 - 1} Actual={2**63 - 1}"]
    assert run.status == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "culprit"),
    [
        ([], {}, "usage"),
        (["127.0.0.1:1", "more"], {}, "usage"),
        (["127.0.0.1"], {}, "'127.0.0.1'"),
        (["http://127.0.0.1:1"], {}, "'http://127.0.0.1:1'"),
        (["127.0.0.1:1/x"], {}, "'127.0.0.1:1/x'"),
        (["a b:1"], {}, "'a b:1'"),
        ([""], {}, "''"),
        (["127.0.0.1:1"], {"NUM_STEPS": "many"}, "NUM_STEPS"),
        (["127.0.0.1:1"], {"NUM_STEPS": "-1"}, "NUM_STEPS"),
        (["127.0.0.1:1"], {"START_DELAY": "1.5"}, "START_DELAY"),
        (["127.0.0.1:1"], {"FINAL_DELAY": "9999999999"}, "FINAL_DELAY"),
        (["127.0.0.1:1"], {"MAX_STEP_SIZE": "0"}, "MAX_STEP_SIZE"),
        (["127.0.0.1:1"], {"CHECK_WHEN_MULTIPLE_OF": "0"}, "CHECK_WHEN_MULTIPLE_OF"),
        (["127.0.0.1:1"], {"CHECK_WHEN_MULTIPLE_OF": "a[$(touch file)]"}, "CHECK_WHEN_MULTIPLE_OF"),
    ],
)
def test_bad_arguments(workload: Workload, arguments: Sequence[str], settings: dict[str, str], culprit: str) -> None:
    run = workload.run(*arguments, START_DELAY=settings.pop("START_DELAY", "0"), **settings)
    assert run.status == 2
    assert run.lines == []
    assert culprit in one_line(run.stderr)


def test_settings_with_leading_zeros_are_decimal(workload: Workload) -> None:
    with script() as control:
        run = workload.run(control.address, NUM_STEPS="010", CHECK_WHEN_MULTIPLE_OF="09")
    assert run.checks == ["Expected=9 Actual=9", "Expected=10 Actual=10"]
