"""Every command line that the documentation shows runs as it stands there, page by page, in the order of the page.

A page is tried in a directory that looks like the checkout. What a page has somebody do between two commands, and does
not write as a command, stands in it as a comment, and is done here (`DONE_BY_HAND`).
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from glitchgrid.cli import main
from tests.end_to_end.processes import wait_until
from tests.shown_commands import NOT_RUN, PAGES, ROOT, Shown, shown_on, steps_on

LINKED = (
    *(".venv", "docs", "workload", "tests", "benchmarks", "examples"),
    *("pyproject.toml", "glitchgrid", "setup.py", "scripts"),
)
TIMEOUT_S = 900
PAGE_S = 1800
PORTS_LOCK = Path(tempfile.gettempdir()) / f"glitchgrid-shown-commands-{os.getuid()}.lock"
UNTIL_INTERRUPTED = re.compile(r"(?:\w+=\S+ )*glitchgrid up\b(?:.* --port (\d+))?.*")
GRID_PORT = "8000"

STATUSES: tuple[tuple[str, set[int]], ...] = (
    (r"glitchgrid simulate .*classic-no-equals.*", {0}),  # what is wrong there is no violation: it is answered 500
    (r"glitchgrid shrink .*", {1}),
    (r"pytest test_notes.py --sim-(html|seed 84).*", {1}),
    (r"glitchgrid check stale.edn .*", {1}),
    (r"\S*glitchgrid simulate .*(--glitch|--protocol classic|/classic-|/shown-before|/failed-sync).*", {1}),
    (r"glitchgrid simulate .*store-by-hand.*", {2}),
    (r"glitchgrid rehearse .*--glitch.*", {0, 1}),
    (r"glitchgrid report .*", {0, 1}),
)
"""With which status a command ends; the first that fits, and 0 where none does."""

GLITCH_TABLE = ROOT / "docs" / "reference" / "glitch-table.md"
TRIED = [page for page in PAGES if page != GLITCH_TABLE and any(each.line not in NOT_RUN for each in shown_on(page))]


def statuses_of(line: str) -> set[int]:
    return next((statuses for pattern, statuses in STATUSES if re.fullmatch(pattern, line)), {0})


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name in LINKED:
            (directory / name).symlink_to(ROOT / name)
        self._environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self._going_on: list[subprocess.Popen[str]] = []
        self._port = GRID_PORT
        self._ports: IO[str] | None = None

    def do(self, shown: Shown) -> None:
        goes_on = UNTIL_INTERRUPTED.fullmatch(shown.line)
        if goes_on:
            self._port = goes_on[1] or GRID_PORT
            self._begin(shown.line)
            return
        done = subprocess.run(
            ["bash", "-c", shown.line],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode in statuses_of(shown.line), f"{shown.line}: {done.stdout[-2000:]}{done.stderr}"
        if shown.line.startswith("curl ") and shown.output:
            # How many vaults have answered by then is chance, as long as they are a majority.
            assert re.sub("[23]/3", "2/3", done.stdout.strip()) == shown.output, shown.line

    def _begin(self, line: str) -> None:
        wait_until(self._has_the_ports, "another page's grid to end", PAGE_S)
        # What is told to this process has to reach the command itself.
        command = ["bash", "-c", re.sub(r"(?=\bglitchgrid up\b)", "exec ", line, count=1)]
        self._going_on.append(
            subprocess.Popen(command, cwd=self._directory, env=self._environment, stdout=subprocess.PIPE, text=True)
        )
        wait_until(self._answers, "the grid to answer")

    def _has_the_ports(self) -> bool:
        """Pages are tried side by side, and their grids have the same ports."""
        if self._ports is None:
            self._ports = PORTS_LOCK.open("w")
        try:
            fcntl.flock(self._ports, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _answers(self) -> bool:
        """Control, and every vault: whoever empties the disk of one that is not born yet has no grid."""
        assert self._going_on[-1].poll() is None, "the grid has ended by itself"
        vaults = range(1, len(self._vaults()) + 1)
        return self._serves("/") and all(self._serves("/readyz", each) for each in vaults)

    def _serves(self, path: str, number: int = 0) -> bool:
        """Does the server so many ports above the control's answer 200 there?"""
        url = f"http://127.0.0.1:{int(self._port) + number}{path}"
        said = subprocess.run(["curl", "--silent", "--fail", url], capture_output=True, check=False)
        return said.returncode == 0

    def stop_two_vaults(self) -> None:
        """As `kill -STOP` does, by their own pids."""
        for pid in self._vaults()[1:]:
            os.kill(pid, signal.SIGSTOP)

    def let_them_go_on(self) -> None:
        for pid in self._vaults()[1:]:
            os.kill(pid, signal.SIGCONT)
        wait_until(self._answers, "the grid to answer")

    def replace_a_disk(self) -> None:
        """Of the third vault: its directory is named on its command line, and it is killed by its own pid."""
        pid = self._vaults()[-1]
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        directory = Path(arguments[arguments.index("--data-dir") + 1])
        assert directory.name == "vault3"
        shutil.rmtree(directory)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._third_is_new(pid), "the vault is started again, and votes")

    def _third_is_new(self, pid: int) -> bool:
        return pid not in self._vaults() and self._serves("/readyz", 3)

    def save_the_notebook(self) -> None:
        for name in ("notes.tac", "test_notes.py"):
            shutil.copy(ROOT / "examples" / "notes" / name, self._directory)

    def let_it_sync(self) -> None:
        shutil.copy(ROOT / "examples" / "notes" / "synced.tac", self._directory / "notes.tac")

    def let_it_be_careful(self) -> None:
        shutil.copy(ROOT / "examples" / "notes" / "careful.tac", self._directory / "notes.tac")

    def _vaults(self) -> list[int]:
        """The vaults of the grid that goes on: its children's names are on their command lines."""
        (grid,) = self._going_on
        children = (int(pid) for pid in Path(f"/proc/{grid.pid}/task/{grid.pid}/children").read_text().split())
        return [pid for pid in sorted(children) if b"\0vault\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def end(self) -> None:
        for path in self._directory.glob("*.pid"):  # of daemons that the page would have stopped
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.read_text(encoding="ascii")), signal.SIGTERM)
        for each in self._going_on:
            each.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.communicate(timeout=10)
            each.kill()
        if self._ports is not None:
            self._ports.close()


DONE_BY_HAND: dict[str, Callable[[Reader], None]] = {
    "here two vaults are stopped": Reader.stop_two_vaults,
    "here they go on": Reader.let_them_go_on,
    "here a disk is replaced": Reader.replace_a_disk,
    "here both files are saved": Reader.save_the_notebook,
    "here the service syncs": Reader.let_it_sync,
    "here it is careful": Reader.let_it_be_careful,
}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        reader.end()


@pytest.mark.thorough
@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.stem)
def test_a_page_does_as_it_says(page: Path, reader: Reader) -> None:
    for step in steps_on(page):
        if isinstance(step, str):
            DONE_BY_HAND[step](reader)
        elif step.line not in NOT_RUN:
            reader.do(step)


@pytest.mark.thorough
@pytest.mark.parametrize("shown", shown_on(GLITCH_TABLE), ids=lambda shown: shown.line.split()[5])
def test_the_plan_of_each_glitch(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are many, so they are tried in this process."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(shown.line)
    assert program == "glitchgrid"
    assert CliRunner().invoke(main, arguments).exit_code == 1, shown.line
    assert (tmp_path / "run.html").exists()
