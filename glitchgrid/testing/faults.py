"""Faults by their names in plans, and faults of one's own."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from attrs import frozen

from glitchgrid.lab.faults.fault import Fault, OfServer, Stage
from glitchgrid.lab.faults.kinds import FAULTS
from glitchgrid.lab.faults.processes import Signal
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.preemption import Preemption

Generator = Callable[..., Iterator[None]]


@frozen
class OwnFault(OfServer):
    """A fault that a test has written: a generator, which begins it, yields, and ends it.

    :cvar generator: is called with the world and the machine's name.
    """

    generator: ClassVar[Generator]

    def begin(self, stage: Stage) -> bool:
        going_on = type(self).generator(stage.own_world, self.machine)  # type: ignore[attr-defined]
        next(going_on, None)
        stage.going_on[self].append(going_on)  # type: ignore[attr-defined]
        return True

    def end(self, stage: Stage) -> bool:
        begun = stage.going_on[self]  # type: ignore[attr-defined]
        if begun:
            next(begun.pop(0), None)
        return False


_own: dict[str, type[Fault]] = {}


def fault(name: str) -> Callable[[Generator], type[Fault]]:
    """A decorator that makes a kind of fault of a generator, for `World.faults` and for plans::

        @fault("cold cache")
        def cold_cache(world, machine):
            world[machine].kill(); world[machine].start()
            yield                       # until its time is over
            ...                         # what ends it

    :param name: what plans call it.
    :raises WorldError: where there is a kind of that name already.
    """

    def make(generator: Generator) -> type[Fault]:
        known = _own.get(name)
        if name in BUILT_IN or (known is not None and known.__module__ != generator.__module__):
            raise WorldError(f"there is a fault called {name!r} already")
        members = {
            "kind": name,
            "generator": staticmethod(generator),
            "__doc__": generator.__doc__,
            "__module__": generator.__module__,
            "__qualname__": generator.__qualname__,
        }
        made: type[Fault] = frozen(type(generator.__name__, (OwnFault,), members))
        _own[name] = made
        kinds.cache_clear()
        return made

    return make


DRAWN: dict[str, type[Fault]] = {each.kind: each for each in FAULTS}
"""Those that `world.faults` draws, by their names in plans."""

BUILT_IN: dict[str, type[Fault]] = DRAWN | {each.kind: each for each in (Signal, Preemption)}


@functools.cache
def kinds() -> dict[str, type[Fault]]:
    """All of them, by their names."""
    return BUILT_IN | _own


def named(wanted: Sequence["str | type[Fault]"]) -> list[type[Fault]]:
    """:raises WorldError: for a name that no fault has."""
    known = kinds()
    found = []
    for each in wanted:
        name = each if isinstance(each, str) else each.kind
        if name == Preemption.kind:
            raise WorldError("world.faults draws no preemptions: @simulated(preempt={PACKAGE: WEIGHT}) asks for them")
        if name not in known:
            raise WorldError(f"there is no fault called {name!r}; there are {', '.join(sorted(known))}")
        found.append(known[name])
    return found
