"""Pipes of the world beside those of the machine that tests run on: the same answers, errors and readiness."""

import fcntl
import os
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.parity.machine import SOCKETS_MAX, LikeLinux, few, places

sizes = st.sampled_from([0, 1, 4095, 4096, 4097, 20_000, 65_536, 70_000])


class End:
    """A descriptor, as what all others here are: with a number of its own."""

    def __init__(self, system: Any, descriptor: int) -> None:
        self.system = system
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            self.system.close(descriptor)


class PipesLikeLinux(LikeLinux):
    @initialize()
    def begin(self) -> None:
        self.a_pipe()

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX - 1)
    @rule()
    def a_pipe(self) -> None:
        real = os.pipe2(os.O_NONBLOCK)
        ours = self.both.world.do(lambda world: world.pipe2(os.O_NONBLOCK))
        for one, other in zip(real, ours, strict=True):
            self.pairs.append((End(self.both.linux, one), End(self.both.world, other)))

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(place=places)
    def duplicate(self, place: int) -> None:
        kept: list[int] = []
        self.both.do(lambda system: kept.append(system.dup(self.own(system, place).fileno())))
        if kept:
            ours, real = kept
            self.pairs.append((End(self.both.linux, real), End(self.both.world, ours)))

    @rule(place=places, size=sizes)
    def write(self, place: int, size: int) -> None:
        self.both.do(lambda system: system.write(self.own(system, place).fileno(), b"x" * size))

    @rule(place=places, size=sizes)
    def read(self, place: int, size: int) -> None:
        self.both.do(lambda system: system.read(self.own(system, place).fileno(), size))

    @rule(place=places)
    def close(self, place: int) -> None:
        self.each(place, lambda own: own.close())

    @rule(place=places)
    def ask_for_flags(self, place: int) -> None:
        self.both.do(lambda system: _flags(system, self.own(system, place).fileno()) & (os.O_ACCMODE | os.O_NONBLOCK))


def _flags(system: Any, descriptor: int) -> int:
    return int(system.fcntl(descriptor, fcntl.F_GETFL))


TestPipesLikeLinux = PipesLikeLinux.TestCase
TestPipesLikeLinux.settings = few
