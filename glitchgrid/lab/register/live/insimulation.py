"""Does in simulation what was done on the page, and has its picture."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.campaign.run import run_plan
from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.plan.file import encode_plan
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.register.live.deeds import Told
from glitchgrid.lab.register.live.stage import CannotDo

PLAN = "in-simulation.json"
DEADLINE_S = 60.0

Command = Callable[..., str]
"""A command line of this program's, from its arguments."""


class InSimulation:
    """One run at a time.

    :ivar picture: that of the last run.
    :param directory: plans are written there.
    """

    def __init__(self, reactor: Any, directory: Path, command: Command) -> None:
        self._reactor = reactor
        self._path = directory / PLAN
        self._command = command
        self._given_up: threading.Event | None = None
        self.picture: Picture | None = None

    async def do(self, told: Told) -> dict[str, str]:
        """Run it. Returns the verdict in a sentence, and the command that does the same.

        :raises CannotDo: where one runs already, takes too long, or its plan can't be written.
        """
        if self._given_up is not None:
            raise CannotDo("a simulation runs already")
        try:
            self._path.write_text(encode_plan(told.plan), encoding="utf-8")
        except OSError as error:
            raise CannotDo(f"the plan can't be written: {error.strerror}") from error
        given_up = self._given_up = threading.Event()
        deadline = self._reactor.callLater(DEADLINE_S, given_up.set)
        try:
            result = await _result(told.plan, given_up)
        finally:
            self._given_up = None
            if deadline.active():
                deadline.cancel()
        command = self._command("simulate", "--plan", str(self._path))
        sentence = _sentence(result, told)
        self.picture = picture_of(result, [sentence, f"Again: {command}"])
        return {"sentence": sentence, "command": command}

    def give_up(self) -> None:
        """End the run that goes on, if one does."""
        if self._given_up is not None:
            self._given_up.set()


async def _result(plan: Plan, given_up: threading.Event) -> Result:
    running: Deferred[Result] = deferToThread(_run, plan, given_up)
    try:
        return await running
    except CancelledError as error:
        raise CannotDo(f"the simulation was given up; one may take {DEADLINE_S:g} s") from error


def _run(plan: Plan, given_up: threading.Event) -> Result:
    with interruption.given_up_by(given_up):
        return run_plan(plan, keep_trace=True, glitch=plan.found_with.glitch or None)


def _sentence(result: Result, told: Told) -> str:
    faults, operations = len(result.plan.faults), result.operations
    size = f"{faults} {'fault' if faults == 1 else 'faults'}, {operations} operations"
    found = "; ".join(finding.message for finding in result.findings[:1])
    without = f" Left out: {', '.join(told.left_out)}." if told.left_out else ""
    return f"In simulation, {size}: {result.verdict.value}{f': {found}' if found else ''}.{without}"
