"""Real file systems that fill up, are read-only, or go away: a vault in a mount namespace of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.processes import HOST, Servers, Vault, ask, one_line, wait_until

SIZE_KIB = 96
TIMEOUT_S = 30
ENTER = ("--mount", "--user", "--preserve-credentials")


def _may_mount() -> bool:
    """Whether this user may have a mount namespace."""
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("nsenter") is None:
        return False
    tried = [unshare, "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not _may_mount(),
    reason="needs unshare and nsenter (apt-get install util-linux), and namespaces: be root, or set"
    " kernel.unprivileged_userns_clone and user.max_user_namespaces",
)


class SmallDisk:
    """A vault whose data directory is on a small file system that nobody else sees."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self._disk = directory / "disk"
        self._disk.mkdir()
        self.vault: Vault = servers.vault(data_dir=self._disk / "data")
        mount = f"mount -t tmpfs -o size={SIZE_KIB}k none '{self._disk}' && exec \"$@\""
        self.vault.twistd = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *self.vault.twistd]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run something that sees the file system."""
        enter = ["nsenter", f"--target={self.vault.process.pid}", *ENTER, "--", *command]
        return subprocess.run(enter, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    def fill(self) -> None:
        """Until nothing fits any more."""
        filled = self.run("dd", "if=/dev/zero", f"of={self._disk}/junk", "bs=1k", f"count={2 * SIZE_KIB}")
        assert "No space left on device" in filled.stderr

    def empty(self) -> None:
        assert self.run("rm", f"{self._disk}/junk").returncode == 0


@pytest.fixture
def small(servers: Servers, tmp_path: Path) -> SmallDisk:
    made = SmallDisk(servers, tmp_path)
    made.vault.restart()
    return made


def test_a_full_disk_stops_no_vault_that_runs(small: SmallDisk) -> None:
    """Its file has its full size from the beginning: a store takes no more room than the one before it."""
    port = small.vault.port
    assert ask(port, "POST", "5").plain == (200, "5")
    small.fill()
    assert ask(port, "POST", "6").plain == (200, "6")
    assert ask(port, path="/readyz").status == 200
    small.empty()
    assert ask(port, "POST", "7").plain == (200, "7")


def test_a_vault_does_not_start_on_a_full_disk_and_does_when_there_is_room(small: SmallDisk) -> None:
    small.fill()
    data = Path(str(small.vault.data_dir) + "2")
    start = [*small.vault.twistd[-1:], "--nodaemon", "--pidfile=", "vault", f"--listen=tcp:0:interface={HOST}"]
    failed = small.run(*start, f"--data-dir={data}")
    assert failed.returncode == 1
    assert "No space left on device" in one_line(failed.stderr)
    assert failed.stderr.startswith(f"twistd vault: data directory {data} cannot be used: ")
    small.empty()
    with subprocess.Popen(
        ["nsenter", f"--target={small.vault.process.pid}", *ENTER, "--", *start, f"--data-dir={data}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as again:
        assert again.stdout is not None
        try:
            assert any("holds 0 in" in line for line in again.stdout)
        finally:
            again.terminate()


def test_a_file_system_that_is_read_only(small: SmallDisk) -> None:
    """The kernel does not make it so while a vault writes there; a start says it in one line."""
    disk = str(small.vault.data_dir.parent)
    refused = small.run("mount", "-o", "remount,ro", disk)
    assert refused.returncode != 0
    if os.geteuid() == 0:  # others may not do it at all
        assert "busy" in refused.stderr
    start = [*small.vault.twistd[-1:], "--nodaemon", "--pidfile=", "vault", f"--listen=tcp:0:interface={HOST}"]
    small.run("mkdir", f"{disk}/other")
    bound = f"mount --bind -o ro {disk}/other {disk}/other && exec {' '.join(start)} --data-dir={disk}/other/data"
    failed = small.run("sh", "-c", bound)
    assert failed.returncode == 1
    assert "Read-only file system" in one_line(failed.stderr)


def test_a_directory_that_disappears(small: SmallDisk) -> None:
    """What is acknowledged would be nowhere: it takes no store, goes on reading, and a restart begins anew."""
    port = small.vault.port
    assert ask(port, "POST", "5").plain == (200, "5")
    assert small.run("rm", "-r", str(small.vault.data_dir)).returncode == 0
    assert ask(port, "POST", "6").plain == (500, "Store failed")
    assert ask(port).plain == (200, "5")
    assert ask(port, path="/livez").status == 200
    ready = ask(port, path="/readyz")
    assert (ready.status, "[-]disk failed: a sync has failed since the start" in ready.body) == (503, True)
    wait_until(lambda: "no further store is taken until a restart" in small.vault.log, "it says so")
    assert small.vault.log.count("store failed: ") == 1
    assert os.path.exists(f"/proc/{small.vault.process.pid}")
