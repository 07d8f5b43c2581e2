"""Programs that are started for a measurement, and what the kernel knows of them.

They are killed, never asked to leave: their data is thrown away anyhow. Each has asked the kernel to be killed when
this process dies, as those of `glitchgrid.lab.child`.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.errors import CannotMeasure

KIB_PER_MB = 1024
LAST_WORDS_CHARACTERS = 300

_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Child:
    """One running program. Its output goes to a file."""

    def __init__(self, argv: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None) -> None:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise CannotMeasure("setpriv is missing: apt-get install util-linux")
        self._log_path = log_path
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [setpriv, "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=log_path.parent,
                env=_plain_environment() | dict(environment or {}),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout_s: float) -> None:
        """Until it has ended by itself; TimeoutExpired where it does not."""
        self._process.wait(timeout_s)

    def last_words(self) -> str:
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][-LAST_WORDS_CHARACTERS:] if lines else f"ended with {self._process.poll()}, without a word"

    def resident_mb(self) -> float:
        """What it holds in memory now; 0 for one that has ended."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(found[0]) / KIB_PER_MB if found else 0.0

    def cpu_s(self) -> float:
        """Processor time that it has used so far, all threads together; 0 for one that is gone."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        user, system = fields[11:13]
        return (int(user) + int(system)) / _CLOCK_TICKS_PER_S


def _plain_environment() -> dict[str, str]:
    """This process's, without what would send urllib through a proxy, or configure etcd."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("ETCD_")
    }
