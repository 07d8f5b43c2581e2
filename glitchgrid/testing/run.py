"""One run of a test, in a process in which the seam has been put in."""

import os
import traceback
from collections.abc import Callable
from typing import Any

from attrs import frozen

from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.plan.plan import Plan
from glitchgrid.lab.trace.recording import Recording
from glitchgrid.lab.verdict import STATEMENT, Finding, Verdict
from glitchgrid.simulation.event_queue import Stuck
from glitchgrid.simulation.kernel.installed import Installed
from glitchgrid.testing import system
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.history import Contradiction
from glitchgrid.testing.settings import Settings
from glitchgrid.testing.statements import Statements
from glitchgrid.testing.world import Problem, World

FRAMES_TOLD = 6


@frozen
class Test:
    """A test that was found, with what it is called with beside its world.

    :ivar function: takes `world` by name.
    :ivar statements: what programs state of themselves, run after run.
    """

    __test__ = False
    function: Callable[..., Any]
    settings: Settings
    layout: system.TestLayout
    statements: Statements


def run(installed: Installed, test: Test, plan: Plan, *, is_given: bool, keep_trace: bool) -> Result:
    """:param is_given: whether the plan's faults are to be done, and not those that its seed draws.

    :raises WorldError: where the test can't be run as it is written.
    """
    kernel = installed.new_kernel(plan.seed, keep_trace=keep_trace)
    world = World(installed, kernel, test.settings, plan, is_given=is_given)
    finding: Finding | None = None
    test.statements.begin(lambda stated: world.find(STATEMENT, f"a program states what does not hold: {stated}"))
    try:
        test.function(world=world)
        world.finish()
    except WorldError:
        raise
    except Problem as problem:
        finding = Finding(problem.oracle, str(problem), kernel.now_ns)
    except Contradiction as contradiction:
        finding = Finding(system.HISTORY, str(contradiction), kernel.now_ns, contradiction.operations)
    except Stuck as stuck:
        finding = Finding("Stuck", str(stuck), kernel.now_ns)
    except Exception as error:  # noqa: BLE001 - whatever a test raises, it has failed
        finding = Finding(system.ASSERTION, _told(error), kernel.now_ns)
    finally:
        installed.settle()
    context = kernel.context
    if installed.native is not None:
        context.note("world", f"{installed.native.draws} draws of C code")
    recording = None
    if context.capture is not None:
        recording = Recording(context.capture.flows, (), world.stage.spans, context.now_ns)
    return Result(
        plan=world.threads_of_run.added_to(world.plan),
        verdict=Verdict.PASSED if finding is None else Verdict.VIOLATION,
        findings=() if finding is None else (finding,),
        digest=context.trace.digest,
        operations=len(world.history),
        events=context.events,
        duration_ns=context.now_ns,
        reached=world.stage.reached,
        history=world.history.as_text(),
        trace=tuple(context.trace.lines),
        recording=recording,
        stated=test.statements.seen,
    )


def _told(error: BaseException) -> str:
    """The exception, and where it was raised: without the frames of this package."""
    here = os.path.dirname(__file__) + os.sep
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(here)]
    lines = [f"{each.filename}:{each.lineno}: {each.line}" for each in frames[-FRAMES_TOLD:]]
    return "\n".join([*lines, "".join(traceback.format_exception_only(error)).rstrip()])
