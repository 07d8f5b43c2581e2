"""`simulated`: makes a test of a function that takes a world."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.settings import OWN, SEEDS, TIMEOUT_S, Settings

WORLD = "world"


@dataclass(frozen=True)
class Simulated:
    """:ivar function: as it was written."""

    function: Callable[..., Any]
    settings: Settings

    @property
    def address(self) -> "Address":
        """:raises WorldError: for a function that is made within another one, where nobody else finds it."""
        name = self.function.__qualname__
        if "<locals>" in name:
            raise WorldError(f"{name}: a simulated test stands in a module or in a class, and not within a function")
        return Address(inspect.getfile(self.function), self.function.__module__, name)


@dataclass(frozen=True)
class Address:
    """Where a test is found, by other processes too.

    :ivar name: within its module, with dots between a class and a method.
    """

    file: str
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}::{self.name.replace('.', '::')}"


def simulated(
    seeds: int = SEEDS,
    *,
    modules: str = OWN,
    fork: bool = True,
    share: tuple[str, ...] = (),
    reactor: str = "epoll",
    timeout_s: float = TIMEOUT_S,
    preempt: Mapping[str, int] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """A decorator: the function is called once for each seed, with a new world as its argument `world`.

    What pytest passes by other names (fixtures, parameters) is passed on, if it can be pickled: the function runs in a
    process of its own, whose modules are its own.

    :param seeds: how many; they are 0, 1, 2 and so on.
    :param modules: "own": each program imports its modules for itself, so that a restart forgets and two programs share
        nothing. "shared": all use those of the test, which is faster.
    :param fork: with shared modules, False lets one process run seed after seed, which is faster again. What a seed
        leaves in a module's variables, the next one finds.
    :param share: packages that have no state of their own, and take long to import: they are shared in any case.
    :param reactor: "epoll", "poll", "select" or "asyncio": the reactor that functions are given.
    :param timeout_s: of real time, for each seed. A run that takes longer is a failure that says where it was.
    :param preempt: packages and modules whose threads race, each with how often in a thousand times a thread stops
        between two statements and lets others run: ``preempt={"carbon": 100}``. Without it, threads give way only
        where they wait. See `World.threads` for other schedules.
    :raises WorldError: for what can't be.
    """
    weights = tuple(sorted((preempt or {}).items()))
    settings = Settings(seeds, modules, fork, tuple(share), reactor, timeout_s, weights)

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        signature = inspect.signature(function)
        if WORLD not in signature.parameters:
            raise WorldError(f"{function.__qualname__}: a simulated test takes an argument called {WORLD}")
        test = Simulated(function, settings)

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> None:
            __tracebackhide__ = True
            from glitchgrid.testing.driving import drive  # noqa: PLC0415 - the runner imports this module, too

            drive(test, arguments, named)

        if inspect.iscoroutinefunction(function):
            raise WorldError(f"{function.__qualname__}: a simulated test is no coroutine; machines run these")
        kept = [each for each in signature.parameters.values() if each.name != WORLD]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        run.__simulated__ = test  # type: ignore[attr-defined]
        return run

    return decorate
