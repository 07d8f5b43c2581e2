"""What a process does that runs systems: it hears requests, and answers each with a result.

python -c "from glitchgrid.lab.campaign.serving import main; main()" DESCRIPTOR

It imports what a system needs, and forks. The fork answers some requests and ends: so nothing has to be tidied up
behind a run. (To end the threads of a world would run what their programs have for that, and the garbage collector
would look at all that they leave: a tenth of the time of a run, and more where servers were often restarted.)
"""

import itertools
import os
import resource
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from glitchgrid.lab.campaign.request import Bug, Request
from glitchgrid.lab.place import changes, here
from glitchgrid.lab.place.talk import Talk
from glitchgrid.lab.place.watch import Watch

if TYPE_CHECKING:
    from glitchgrid.lab.campaign.result import Result


RUNS_MAX = 100
MEMORY_MAX_BYTES = 1 << 29
"""A fork that has run so many, or has so much memory, makes room for the next."""


def main() -> None:
    """Answer requests until there are no more."""
    from glitchgrid.simulation.kernel.place import without_chance  # noqa: PLC0415

    descriptor = int(sys.argv[-1])
    os.set_inheritable(descriptor, True)
    without_chance()
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what Ctrl-C means is for whoever asks to say
    here.begin()
    talk = Talk(descriptor, descriptor)
    while True:
        request = _next(talk)
        _import_what_it_needs(request)
        pid = os.fork()
        if not pid:
            _answer_some(request, talk)
        _, status = os.waitpid(pid, 0)
        if status:
            os._exit(1)  # who asks hears no answer, and begins anew


def _next(talk: Talk) -> Request:
    try:
        request: Request = talk.hear()
    except (EOFError, ConnectionError):
        os._exit(0)  # nobody asks any more
    return request


def _import_what_it_needs(request: Request) -> None:
    # From here on, everything that is imported finds the seam.
    from glitchgrid.lab.place import rest  # noqa: PLC0415
    from glitchgrid.lab.system import system_of  # noqa: PLC0415

    system_of(request.layout)
    rest.begin()


def _answer_some(request: Request, talk: Talk) -> NoReturn:
    """What a fork does."""
    watch = Watch(talk.descriptor)
    for number in itertools.count(1):
        try:
            talk.say(_answer(request, talk, watch))
        except ConnectionError:
            os._exit(0)
        if number == RUNS_MAX or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY_MAX_BYTES:
            os._exit(0)
        request = _next(talk)
    raise AssertionError("there is always one more number")


def _answer(request: Request, talk: Talk, watch: Watch) -> "Result | Bug":
    from glitchgrid.lab.campaign.run import hung, perform, planned  # noqa: PLC0415

    try:
        plan = planned(request)
        with changes.made(request.changes), watch.over(_progress, lambda where: talk.say(hung(plan, where))):
            return perform(plan, keep_trace=request.keep_trace, glitches=request.glitches)
    except Exception:  # noqa: BLE001 - whoever asks has to hear of it
        return Bug(traceback.format_exc())


def _progress() -> int:
    kernel = here.installed().kernel
    return 0 if kernel is None else kernel.context.events
