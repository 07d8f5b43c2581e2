"""A client of the register, as the history knows it: each of its operations is recorded."""

import re
from contextlib import suppress

from attrs import frozen

from glitchgrid.errors import InvalidValue
from glitchgrid.lab.history.operation import Outcome
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.register.testkit.fault import RealFault
from glitchgrid.lab.register.testkit.http import ANSWER_TIMEOUT_S, Answer, Http, NoAnswer, NotSent
from glitchgrid.value import encode_number, parse_number
from glitchgrid.vaults.address import VaultAddress

OK, BAD_REQUEST, FAILED = 200, 400, 500
AMBIGUOUS = frozenset({408, FAILED, 503})
"""Answers that say nothing of what became of a write."""

_SENT = re.compile(rb"Sent updates to (\d+)/(\d+) vaults")
_DECREASES = re.compile(rb"Client would make value decrease from (\d+) to \d+")


@frozen
class Written:
    """How a write returned; `floor` is the value that a refusal named, `votes` what a 200 said: of how many."""

    outcome: Outcome
    floor: int = 0
    votes: tuple[int, int] = (0, 0)


class RecordedClient:
    """Does one operation after another. Answers that no protocol allows are real faults."""

    def __init__(self, name: str, http: Http, recorder: Recorder) -> None:
        self._name = name
        self._http = http
        self._recorder = recorder

    async def write(self, control: VaultAddress, value: int, timeout_s: float = ANSWER_TIMEOUT_S) -> Written:
        op = self._recorder.call_write(self._name, value, control=str(control))
        written = Written(Outcome.AMBIGUOUS)
        try:
            answer = await self._http.ask(control, encode_number(value), timeout_s=timeout_s)
        except NotSent:
            written = Written(Outcome.FAILED)
        except NoAnswer:
            pass
        else:
            written = _understood(answer, value)
        match written.outcome:
            case Outcome.OK:
                self._recorder.write_ok(op)
            case Outcome.REFUSED:
                self._recorder.decreases(op, written.floor)
            case Outcome.FAILED:
                self._recorder.failed(op)
            case Outcome.AMBIGUOUS:
                self._recorder.ambiguous(op)
        return written

    async def read(self, control: VaultAddress) -> int | None:
        """What was read; None where nothing was."""
        op = self._recorder.call_read(self._name, control=str(control))
        value = await read_value(self._http, control)
        if value is None:
            self._recorder.failed(op)
        else:
            self._recorder.read_ok(op, value)
        return value


def _understood(answer: Answer, value: int) -> Written:
    """:raises RealFault: for an answer that a write does not have."""
    if answer.status == OK and (sent := _SENT.fullmatch(answer.body)):
        return Written(Outcome.OK, votes=(int(sent[1]), int(sent[2])))
    if answer.status == BAD_REQUEST and (refused := _DECREASES.fullmatch(answer.body)):
        return Written(Outcome.REFUSED, floor=int(refused[1]))
    if answer.status in AMBIGUOUS:
        return Written(Outcome.AMBIGUOUS)
    raise RealFault(f"a write of {value} was answered {answer.status} {answer.body!r}")


async def read_value(http: Http, server: VaultAddress) -> int | None:
    """What a control or a vault answers, recorded nowhere; None where it has no answer."""
    with suppress(NotSent, NoAnswer):
        answer = await http.ask(server)
        if answer.status == OK:
            try:
                return parse_number(answer.body)
            except InvalidValue:
                raise RealFault(f"{server} answered a read with 200 {answer.body!r}") from None
        if answer.status not in AMBIGUOUS:
            raise RealFault(f"{server} answered a read with {answer.status} {answer.body!r}")
    return None
