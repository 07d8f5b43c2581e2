"""What the kernel and its settings allow here. Each answer is empty, or says what is missing, with the cure."""

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from glitchgrid.machines import interface
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.interface import TUN

FUSE_DEVICE = Path("/dev/fuse")
TIME_NAMESPACE = Path("/proc/self/ns/time")
PROBE_TIMEOUT_S = 10.0
SETTINGS = Path("/proc/sys")
FORBIDDING = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
)
"""Settings, what they are where they forbid user namespaces, and what allows them."""


def tool(name: str) -> str:
    """The path of a program.

    :raises CannotBeMade: where it is missing.
    """
    found = shutil.which(name)
    if found is None:
        raise CannotBeMade(_missing_program(name))
    return found


def missing_for_machines() -> str:
    """What keeps machines from being made."""
    for program in ("unshare", "nsenter", "setpriv"):
        if shutil.which(program) is None:
            return _missing_program(program)
    refused = _refused("true")
    return f"the kernel allows no namespaces: {refused}; {cure_for_namespaces()}" if refused else ""


def missing_for_links() -> str:
    """What keeps machines from having links of their own that fail; without machines there are none."""
    missing = missing_for_machines() or _missing_device(Path(TUN), "modprobe tun")
    if missing:
        return missing
    refused = _refused(sys.executable, "-P", "-m", interface.__name__)
    return f"the kernel makes no tap devices: {refused}" if refused else ""


def cure_for_namespaces(settings: Path = SETTINGS) -> str:
    """What lets a user make namespaces, by the setting that forbids it: Debian's, Ubuntu's and the kernel's own."""
    for name, forbids, allows in FORBIDDING:
        try:
            is_forbidden = (settings / name).read_text(encoding="ascii").strip() == forbids
        except OSError:
            continue
        if is_forbidden:
            return f"as root: sysctl {name.replace('/', '.')}={allows}"
    return "no setting of the kernel forbids it; a container may do so: start it with --privileged"


def missing_for_disks() -> str:
    """What keeps disks from losing power and failing."""
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is missing: pip install 'glitchgrid[disks]'"
    if ctypes.util.find_library("fuse3") is None:
        return "libfuse is missing (Debian: apt-get install fuse3)"
    return _missing_device(FUSE_DEVICE, "modprobe fuse")


def has_time_namespaces() -> bool:
    """Has the kernel got monotonic clocks that begin anew with a machine?"""
    return TIME_NAMESPACE.exists()


def _missing_device(device: Path, cure: str) -> str:
    if not device.exists():
        return f"{device} is missing; as root: {cure}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened by this user; as root: chmod 666 {device}"
    return ""


def _missing_program(name: str) -> str:
    return f"{name} is missing (Debian: apt-get install util-linux)"


def _refused(*argv: str) -> str:
    """Run something in all the namespaces that a machine needs, and say why that is refused."""
    kinds = ["--user", "--map-root-user", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"]
    try:
        done = subprocess.run(
            ["unshare", *kinds, *argv],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return f"unshare has not ended within {PROBE_TIMEOUT_S:g} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
