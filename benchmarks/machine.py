"""What a run was made on: machine, versions, and whether this Python was built to be fast."""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.errors import CannotMeasure

IN_MEMORY = {"tmpfs", "ramfs"}
KIB_PER_GB = 1024**2
ASK_TIMEOUT_S = 10.0


def described(scratch: Path, contenders: Sequence[str], checkout: Path) -> dict[str, str]:
    """One line each, for a reader."""
    lines = {
        "machine": processor(),
        "system": f"{_distribution()}, Linux {platform.release()}, data on {file_system(scratch)}",
        "python": interpreter(),
        "packages": ", ".join(f"{name} {version(name)}" for name in ("twisted", "klein", "treq")),
        "wrk": _first_line("wrk", "--version").removeprefix("wrk ").partition(" ")[0],
        "checkout": _first_line("git", "-C", str(checkout), "describe", "--always", "--dirty"),
    }
    if "etcd" in contenders:
        lines["etcd"] = _first_line("etcd", "--version").removeprefix("etcd Version: ")
    return lines


def processor() -> str:
    return f"{_cpu()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB"


def interpreter() -> str:
    return f"{platform.python_version()}, {Path(sys.executable).resolve()}: {optimised()}"


def optimised() -> str:
    """Whether this Python was built with optimisations (profile-guided, link-time), as far as it says so.

    Debian's and Ubuntu's own are, but their sysconfig describes the build of the shared library, which is not.
    """
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return "built with --enable-optimizations"
    if Path(sys.executable).resolve().parent == Path("/usr/bin") and Path("/etc/debian_version").exists():
        return "the distribution's, which is built with profile-guided optimisation"
    return "NOT built with optimisations: expect 10 to 50% less of it"


def file_system(directory: Path) -> str:
    """The type of the file system that a directory is on."""
    found = subprocess.run(
        ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(directory)],
        capture_output=True,
        text=True,
        timeout=ASK_TIMEOUT_S,
        check=False,
    )
    return found.stdout.strip() or "an unknown file system"


def must_be_a_disk(directory: Path) -> None:
    """:raises CannotMeasure: where a sync would cost nothing."""
    if file_system(directory) in IN_MEMORY:
        raise CannotMeasure(f"{directory} is in memory, where a sync costs nothing: --scratch names another directory")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> float:
    total = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0]
    return int(total.split()[1]) / KIB_PER_GB


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "an unknown distribution"


def _first_line(*command: str) -> str:
    """What a program says first; wrk says its version with status 1."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = (said.stdout or said.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"
