"""What a simulated test is given: a world with machines, in which its programs run."""

import asyncio
import random
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.plan.plan import HOUR_MS, Environment, Plan, Planned
from glitchgrid.lab.plan.swarm import draw_environment, draw_faults
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel import program
from glitchgrid.simulation.kernel.installed import Installed
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine as Host
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.testing import faults, system
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.history import History
from glitchgrid.testing.settings import OWN, Settings
from glitchgrid.testing.stage import Stage
from glitchgrid.testing.threads import DEPTH, PCT, RANDOM, Threads, preemptions

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

RUN_S_MAX = 86_400 * 366
OUTPUT_LINES_TOLD = 12
OFTEN_MS = (100, 500, 2000)
"""What lies between two faults, if nothing else is said: one of these in a run."""

MS_IN_S = 1000
MAX_MACHINES = 250
"""Each has an address of its own in one network of 254."""


class Problem(AssertionError):
    """Something is wrong that the test did not say itself.

    :ivar oracle: who says it.
    """

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(message)
        self.oracle = oracle


class World:
    """Machines and a network between them, all of it decided by a seed.

    :ivar seed: the run's.
    :ivar random: chance for the test itself, from the seed.
    :ivar history: what its clients saw, if they say it.
    """

    def __init__(self, installed: Installed, kernel: Kernel, settings: Settings, plan: Plan, *, is_given: bool) -> None:
        self.seed = plan.seed
        self.random = random.Random(f"{plan.seed}:test")
        self.history = History(lambda: kernel.now_ns)
        self.kernel = kernel
        self.settings = settings
        self.plan = plan
        self.stage = Stage(kernel, self)
        self.threads_of_run = Threads(installed.points, kernel, self.stage, plan.faults if is_given else None)
        if settings.preempt:
            self.threads_of_run.follow(RANDOM, DEPTH)
        elif preemptions(plan.faults):
            raise WorldError("the plan stops threads, and the test has no preemption points: @simulated(preempt=...)")
        self.has_run = False
        self._installed = installed
        self._is_given = is_given
        self._has_faults = False
        self._machines: dict[str, Machine] = {}
        self._always: list[tuple[Callable[[], object], str]] = []
        self._eventually: list[_Awaited] = []
        self._problem: Problem | None = None

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.kernel.now_ns / SECOND_NS

    def __getitem__(self, name: str) -> "Machine":
        """The machine of that name, which is made when it is first named; its name resolves on all others.

        :raises WorldError: for what can't be a machine's name, or for too many machines.
        """
        found = self._machines.get(name)
        if found is None:
            if not name or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                raise WorldError(f"{name!r} is no name of a machine: letters, digits, dots, dashes, underscores")
            if len(self._machines) >= MAX_MACHINES:
                raise WorldError(f"{MAX_MACHINES} machines are the most")
            found = self._machines[name] = Machine(self, self._installed, self.kernel.host(name))
            self.plan = system.with_layout(self.plan, names=(*system.layout_of(self.plan).names, name))
        return found

    @property
    def machines(self) -> Sequence["Machine"]:
        """Those that were named, in that order."""
        return list(self._machines.values())

    def link(self, source: str, target: str) -> "Link":
        """One direction between two machines."""
        for name in (source, target):
            self._known(name)
        return Link(self.kernel, source, target)

    def note(self, what: str) -> None:
        """Put a line into the trace."""
        self.kernel.context.note("test", what)

    def after(self, seconds: float, function: Callable[[], object]) -> None:
        """Call something in so many seconds of the world, outside of all machines."""
        self.kernel.context.after(int(seconds * SECOND_NS), function)

    # What is done to it.

    def faults(
        self,
        *wanted: str | type[Fault],
        on: Sequence[str] | None = None,
        until: float = 20,
        every: float | None = None,
    ) -> None:
        """Draw faults from the seed, and let them happen from now on.

        Swarm testing (Groce et al., 2012): each seed uses some of the kinds, and leaves others out. What a fault has
        ended is started again when its time is over; after `until` seconds all is well.

        :param wanted: the kinds: their names in plans ("kill", "power loss", "cut" and so on), or `fault`'s.
        :param on: the machines that they are for; all that have been named so far where nothing is said.
        :param every: what usually lies between two of them, in seconds.
        :raises WorldError: for a kind or a machine that there is not.
        """
        kinds = faults.named(wanted)
        targets = tuple(on if on is not None else self._machines)
        for name in targets:
            self._known(name)
        if not kinds or not targets:
            raise WorldError("world.faults takes kinds of faults, and machines to do them to")
        if self._has_faults:
            raise WorldError("world.faults is called once in a test, with all kinds")
        if not 0 < until <= HOUR_MS / MS_IN_S:
            raise WorldError(f"until={until}: up to {HOUR_MS // MS_IN_S} seconds")
        self._has_faults = True
        until_ms = int(until * MS_IN_S)
        if self._is_given:
            self._require_fitting(targets)
        else:
            self._draw(kinds, targets, until_ms, OFTEN_MS if every is None else (max(1, int(every * MS_IN_S)),))
        self.stage.surround(self.plan.environment)
        self.threads_of_run.leave_room(len(self.plan.faults))
        at_times = [each for each in self.plan.faults if not preemptions([each])]
        self.stage.carry_out(at_times, targets, until_ms)

    def threads(self, schedule: str = RANDOM, *, depth: int = DEPTH, on: Sequence[str] | None = None) -> None:
        """Say how threads take turns in the code that `simulated` was given as `preempt`: from now on, in this test.

        It is not needed where "random" is to hold on all machines, as it does where nothing is said::

            @simulated(seeds=200, preempt={"carbon": 100})
            def test_no_point_is_counted_twice(world):
                world.threads("pct", depth=2, on=["server"])
                world["server"].run("-n", "--pidfile=", "carbon-cache")

        :param schedule: "random": at each point a thread may be stopped for a while, as often as the weight of its
            module says. "pct": priorities that change at few points, which finds a bug of some depth with a
            probability that is known (`glitchgrid.simulation.kernel.schedules.Pct`).
        :param depth: of "pct": how many orderings of two events are what it takes to see a bug. A lost update has 2.
        :param on: the machines whose threads are stopped; all where nothing is said.
        :raises WorldError: without `preempt`, and for what can't be.
        """
        if not self.settings.preempt:
            raise WorldError("world.threads is for tests with preemption points: @simulated(preempt={PACKAGE: WEIGHT})")
        if schedule == PCT and not self.settings.fork:
            raise WorldError("schedule='pct' needs fork=True: it learns from a first run how many points there are")
        for name in on or ():
            self._known(name)
        self.threads_of_run.follow(schedule, depth, on)

    def _draw(
        self, kinds: Sequence[type[Fault]], targets: tuple[str, ...], until_ms: int, often_ms: Sequence[int]
    ) -> None:
        plan = system.with_layout(self.plan, targets=targets)
        rng = RandomStream(f"{self.seed}:plan")
        environment: Environment = draw_environment(rng)
        drawn: list[Planned] = draw_faults(rng, plan.layout, kinds, until_ms, often_ms)
        self.plan = evolve(plan, environment=environment, faults=drawn)

    def _require_fitting(self, targets: tuple[str, ...]) -> None:
        """:raises WorldError: for a plan of another test's."""
        planned = {name for each in self.plan.faults for name in each.fault.machines}
        strange = sorted(planned - set(self._machines))
        if strange:
            raise WorldError(
                f"the plan is for other machines: it has faults of {', '.join(strange)}, and this test has "
                f"{', '.join(self._machines)}"
            )
        self.plan = system.with_layout(self.plan, targets=targets)

    def _known(self, name: str) -> None:
        if name not in self._machines:
            raise WorldError(f"no machine is called {name!r}; there are {', '.join(self._machines) or 'none'} so far")

    # What has to hold.

    def always(self, holds: Callable[[], object], what: str) -> None:
        """After every event of the world, `holds()` has to be true.

        :param what: says so in words.
        """
        self._always.append((holds, what))

    def eventually(self, holds: Callable[[], object], what: str, within: float | None = None) -> None:
        """Sometime from now on, `holds()` has to be true once: within so many seconds, or before the test ends."""
        awaited = _Awaited(holds, what)
        self._eventually.append(awaited)
        if within is not None:
            self.kernel.context.after(int(within * SECOND_NS), self._is_due, awaited, within)

    def _is_due(self, awaited: "_Awaited", within: float) -> None:
        if not awaited.came_true():
            self.find(system.EVENTUALLY, f"not within {within} s: {awaited.what}")

    # Time.

    def run(self, seconds: float, until: Callable[[], object] | None = None) -> bool:
        """Let time go by in the world, for so many seconds, or until `until()` is true after some event.

        :returns: whether it was true.
        :raises AssertionError: where something is wrong that nobody has to look for: a function that a machine ran has
            raised an exception, a program has ended badly by itself, or what `always` has to hold does not.
        """
        if not 0 <= seconds <= RUN_S_MAX:
            raise WorldError(f"world.run({seconds}): from 0 to {RUN_S_MAX} seconds")
        self.has_run = True
        done = self.kernel.run(int(seconds * SECOND_NS), lambda: self._after_event(until))
        self._installed.settle()
        self._raise()
        return done and until is not None and bool(until())

    def _after_event(self, until: Callable[[], object] | None) -> bool:
        if self._problem is not None:
            return True
        for holds, what in self._always:
            if not holds():
                self.find(system.ALWAYS, f"it does not always hold: {what}")
                return True
        for awaited in self._eventually:
            awaited.came_true()
        return until is not None and bool(until())

    def find(self, oracle: str, message: str) -> None:
        """Something is wrong."""
        if self._problem is None:
            self._problem = Problem(oracle, message)

    def _raise(self) -> None:
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def finish(self) -> None:
        """The test has returned.

        :raises WorldError: if it has never let the world run.
        :raises Problem: if something that was awaited has not come.
        """
        if self._is_given and not self._has_faults and len(preemptions(self.plan.faults)) < len(self.plan.faults):
            raise WorldError("the plan has faults, and this test asks for none: it does not call world.faults")
        if not self.has_run:
            raise WorldError("the test returned, and has never let the world run: call world.run(SECONDS)")
        for awaited in self._eventually:
            if not awaited.came_true():
                raise Problem(system.EVENTUALLY, f"it has not come true: {awaited.what}")


class _Awaited:
    def __init__(self, holds: Callable[[], object], what: str) -> None:
        self._holds = holds
        self._has_come = False
        self.what = what

    def came_true(self) -> bool:
        self._has_come = self._has_come or bool(self._holds())
        return self._has_come


class Machine:
    """A machine, by its name: ``world["relay"]``.

    :ivar name: it resolves on all machines.
    """

    def __init__(self, world: World, installed: Installed, host: Host) -> None:
        self.name = host.name
        self.host = host
        self._world = world
        self._installed = installed
        self._processes: list[Process] = []

    @property
    def address(self) -> str:
        """Of IPv4."""
        return self.host.address

    @property
    def output(self) -> str:
        """What its programs have said, one after the other."""
        output = self._world.kernel.output
        return "".join(output[each].text for each in self._processes if each in output)

    # Programs.

    def run(self, what: "str | Callable[..., Any]", *arguments: Any, may_end: bool = False) -> "Machine":
        """Run a program, or a function.

        A program is given as the arguments of ``twistd``: ``run("-n", "--pidfile=", "web", "--listen=tcp:80")``. A
        function is called in a process of its own with the reactor and `arguments`, as `twisted.internet.task.react`
        does it: it may return a Deferred or a coroutine, whose end is the process's, or nothing, and then its reactor
        runs on. It is the test's code and has the test's modules.

        :param may_end: it is no failure if the program ends by itself, with whatever status.
        """
        if isinstance(what, str):
            argv = ["twistd", what, *map(str, arguments)]
            return self._run_program(program.twistd(), argv, may_end=may_end)
        call = _as_react(self._world, self.name, what, arguments)
        self.host.run(lambda: self._began(self._installed.run_function(self.host, call), call.__name__, may_end=True))
        return self

    def run_module(self, name: str, *arguments: str, may_end: bool = False) -> "Machine":
        """Run ``python -m NAME ARGUMENTS``."""
        return self._run_program(program.module(name), [name, *arguments], may_end=may_end)

    def run_script(self, path: str, *arguments: str, may_end: bool = False) -> "Machine":
        """Run ``python PATH ARGUMENTS``."""
        return self._run_program(program.script(path), [path, *arguments], may_end=may_end)

    def _run_program(self, main: program.Main, argv: list[str], *, may_end: bool) -> "Machine":
        own = self._world.settings.modules == OWN

        def start() -> Process:
            process = self._installed.run_program(self.host, main, argv, own_modules=own)
            return self._began(process, " ".join(argv), may_end=may_end)

        self.host.run(start)
        return self

    def _began(self, process: Process, what: str, *, may_end: bool) -> Process:
        self._processes.append(process)
        process.when_ended = None if may_end else lambda: self._has_ended(process, what)
        return process

    def _has_ended(self, process: Process, what: str) -> None:
        status = process.status
        if status is None or status <= 0 or process.is_terminating:
            return  # killed, switched off, told to end, or done
        said = self._world.kernel.output[process].text.splitlines()[-OUTPUT_LINES_TOLD:]
        told = "".join(f"\n  {line}" for line in said)
        self._world.find(system.ENDED, f"{self.name}: {what} has ended by itself with status {status}:{told}")

    # What is done to it.

    def kill(self) -> None:
        """kill -9 for each of its programs."""
        self.host.kill()

    def stop(self) -> None:
        """SIGTERM for each of its programs."""
        running = self.host.process
        if running is not None:
            running.terminate()

    def lose_power(self) -> None:
        """Whatever is not on its disk is gone, and nobody is told."""
        self.host.cut_power()

    def start(self) -> None:
        """Start again what has ended."""
        self._world.stage.start(self.host)

    def pause(self) -> None:
        """SIGSTOP for each of its programs."""
        running = self.host.process
        if running is not None:
            running.pause()

    def resume(self) -> None:
        """SIGCONT."""
        running = self.host.process
        if running is not None:
            running.resume()

    @property
    def is_running(self) -> bool:
        """Whether one of its programs runs."""
        return self.host.process is not None


class Link:
    """One direction between two machines."""

    def __init__(self, kernel: Kernel, source: str, target: str) -> None:
        self._network = kernel.network
        self._names = source, target

    def cut(self) -> None:
        """Let nothing through. The other way is not touched."""
        self._network.cut(*self._names)

    def mend(self) -> None:
        """End a cut."""
        self._network.mend(*self._names)

    def hold(self) -> None:
        """Keep what is sent, or on its way, until it is released."""
        self._network.hold(*self._names)

    def release(self) -> None:
        """Let go of what was held, in its order."""
        self._network.release(*self._names)

    def slow(self, latency: float, jitter: float = 0, loss: float = 0) -> None:
        """:param latency: in seconds, as `jitter`, which is what comes on top of it now and then.
        :param loss: the share of packets that are lost, from 0 to 0.999.
        """
        per_mille = int(loss * 1000)
        self._network.slow(*self._names, Slowness(int(latency * SECOND_NS), int(jitter * SECOND_NS), per_mille))

    def calm(self) -> None:
        """Let it be as fast as usual."""
        self._network.calm(*self._names)


def _as_react(world: World, name: str, function: Callable[..., Any], arguments: Sequence[Any]) -> Callable[[Any], None]:
    """A process's main function that calls another one with its reactor, and ends with what that returns."""

    def call(reactor: Any) -> None:
        try:
            _react(reactor, function, arguments)
        except Exception:
            world.find(system.CRASH, f"{name}: {function.__name__} has failed:\n{traceback.format_exc().rstrip()}")
            raise

    call.__name__ = getattr(function, "__name__", "function")
    return call


def _react(reactor: Any, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    from twisted.internet.defer import Deferred, ensureDeferred  # noqa: PLC0415 - behind the seam
    from twisted.python.failure import Failure  # noqa: PLC0415

    has_run: list[bool] = []
    failed: list[Failure] = []
    reactor.callWhenRunning(has_run.append, True)
    returned = function(reactor, *arguments)
    if asyncio.iscoroutine(returned):
        returned = ensureDeferred(returned)
    if isinstance(returned, Deferred):
        _stop_with(reactor, returned, failed)
    elif has_run:
        return  # it has run its reactor itself, to its end
    reactor.run()
    if failed:
        failed[0].raiseException()


def _stop_with(reactor: Any, returned: "Deferred[Any]", failed: list[Any]) -> None:
    def stop(_: Any) -> None:
        if reactor.running:
            reactor.stop()
        else:
            reactor.callWhenRunning(reactor.stop)

    returned.addErrback(failed.append).addCallback(stop)
