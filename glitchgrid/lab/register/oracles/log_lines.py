"""What servers log, held against what has happened: operators have nothing else to go by.

==========================  =========================================================================================
a server that runs          has said so, once, and that anybody can reach it
a vault that fails          is said to fail, once, and to answer again before it is said to fail anew
a store that fails          is told only where the disk has refused something
a request                   has a line only where the server fails it
a line of any kind          is one that is known, and has the level that it should have
==========================  =========================================================================================
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.logger import LogLevel, formatEvent

from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process

REQUEST = "{client} {method} {path}: "
"""A request that a server has failed."""

OPEN = "whoever reaches {endpoint} can read and store: "
"""At each start: the servers of simulated grids have no tokens, and listen on every interface."""

ALONE = "without --peers: "
"""At each start of a vault that has none: those of the exercises."""

LEVELS: Mapping[str, LogLevel] = {
    "control serves ": LogLevel.info,
    "vault {identity} holds ": LogLevel.info,
    "{path}: the {place} of its two slots ": LogLevel.error,
    "Value decreases from ": LogLevel.error,
    "store failed: ": LogLevel.error,
    "store of {value} is not on the disk ": LogLevel.error,
    "vault {vault} fails: ": LogLevel.warn,
    "vault {vault} answers again": LogLevel.info,
    "vault {vault} ignores the guard: ": LogLevel.warn,
    "vault {vault} lags ": LogLevel.warn,
    "answered {answered} requests ": LogLevel.info,
    "not everything ended within ": LogLevel.warn,
    "{first} and {second} are one vault ": LogLevel.error,
    "a majority of the vaults holds at most ": LogLevel.error,
    REQUEST: LogLevel.warn,
    "{unsaid} more requests have failed": LogLevel.warn,
    OPEN: LogLevel.warn,
    ALONE: LogLevel.info,
    "this vault is {phase}": LogLevel.info,
    "membership: ": LogLevel.warn,
    "peer {peer} does not answer ": LogLevel.info,
    "this vault goes on without enough peers": LogLevel.error,
    "the vault in the place of ": LogLevel.warn,
    "a control's list has ": LogLevel.warn,
    "{line}": LogLevel.critical,
}
"""The lines that control and the vaults log, by their beginnings, and their levels."""


TWISTEDS = re.compile(
    r"(Face|_Gate|_Scripted) starting on [0-9]+|\(TCP Port [0-9]+ Closed\)"
    r"|(Timing|Forcibly timing) out client: "
    r"|EMFILE |Re-reserving EMFILE |Could not accept "
    r"|Received SIG(?:TERM|INT), shutting down\.|Server Shut Down\.|set uid/gid "
)
"""What Twisted says of a server's port and connections, and twistd of its end."""

FAILS_FROM = 500
"""A server that answers with such a status says that the fault is its own."""

TWISTDS = ("twistd {version} ", "reactor class: ", "Main loop terminated.")
"""What twistd says at each start and each end, as it stands in its code."""


class Lines:
    """:param find: is told of a line that should not be there, or is missing.
    :param was_refused: whether the disk has refused something to a process.
    """

    def __init__(self, find: Callable[[str], object], was_refused: Callable[[Process], bool]) -> None:
        self._find = find
        self._was_refused = was_refused
        self._failing: dict[Process, set[str]] = {}
        self._begun: set[Process] = set()
        self._open: set[Process] = set()
        self.heard: dict[str, list[str]] = {}
        """By the names of machines: where somebody wants to know every line of theirs but for those three."""

    def logged(self, event: Mapping[str, Any], process: Process) -> None:
        """A line, and which server's it is."""
        text = event.get("log_format")
        if not text or event.get("log_failure"):
            return
        begin = next((each for each in LEVELS if text.startswith(each)), None)
        heard = self.heard.get(process.host.name)
        if heard is not None and begin not in {REQUEST, OPEN, ALONE}:
            heard.append(formatEvent(dict(event)))
        if begin is None:
            if text.startswith(TWISTDS):
                return
            said = formatEvent(dict(event))
            if not TWISTEDS.match(said):
                self._find(f"{process.name} logged a line that nobody knows: {said}")
        elif LEVELS[begin] is not event["log_level"]:
            self._find(f"{process.name} logged at level {event['log_level'].name}: {formatEvent(dict(event))}")
        else:
            self._compare(begin, event, process)

    def _compare(self, begin: str, event: Mapping[str, Any], process: Process) -> None:
        if begin in {"control serves ", "vault {identity} holds "}:
            self._starts(process)
        elif begin == "vault {vault} fails: ":
            self._fails(process, event["vault"])
        elif begin == "vault {vault} answers again":
            self._answers(process, event["vault"])
        elif begin == OPEN:
            self._is_open(process)
        elif begin == REQUEST and event["status"] < FAILS_FROM:
            self._find(f"{process.name} has a line for a request that it did not fail: {event['status']}")
        elif begin == "store failed: " and not self._was_refused(process):
            self._find(f"{process.name} said that a store failed, and its disk had refused nothing")

    def _starts(self, process: Process) -> None:
        if process in self._begun:
            self._find(f"{process.name} said twice that it has started")
        self._begun.add(process)

    def _is_open(self, process: Process) -> None:
        if process in self._open:
            self._find(f"{process.name} said twice that anybody can reach it")
        self._open.add(process)

    def _fails(self, process: Process, vault: str) -> None:
        failing = self._failing.setdefault(process, set())
        if vault in failing:
            self._find(f"{process.name} said twice that vault {vault} fails, and never that it had answered again")
        failing.add(vault)

    def _answers(self, process: Process, vault: str) -> None:
        failing = self._failing.setdefault(process, set())
        if vault not in failing:
            self._find(f"{process.name} said that vault {vault} answers again, and never that it had failed")
        failing.discard(vault)

    def all_are_well(self, servers: Sequence[Machine]) -> None:
        """All servers are well: each must have logged that it started, and that failing vaults answer again."""
        for process in (process for machine in servers for process in machine.processes):
            if process not in self._begun:
                self._find(f"{process.name} runs, and has never said so")
            if process not in self._open:
                self._find(f"{process.name} runs, and has never said that anybody can reach it")
            for vault in sorted(self._failing.get(process, ())):
                self._find(f"{process.name} has never said that vault {vault} answers again")
