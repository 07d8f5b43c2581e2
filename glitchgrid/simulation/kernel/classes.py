"""What stands in the place of classes: `io.FileIO` and `mmap.mmap`. They must stay classes.

Programs ask whether something is one, and derive from them; so what asks who is to answer is in the class.
"""

import abc
import io
import mmap
from typing import Any

from glitchgrid.simulation.kernel.caller import Path
from glitchgrid.simulation.kernel.pathcalls import PathCalls
from glitchgrid.simulation.kernel.raw import Opener, RawFile
from glitchgrid.simulation.kernel.seam import Seam


class Answering:
    """Who answers: that of whoever put it in last."""

    def __init__(self, seam: Seam, calls: PathCalls) -> None:
        self.seam = seam
        self.calls = calls


_ANSWERING: list[Answering] = []


def put_in(seam: Seam, calls: PathCalls) -> None:
    """Put both in. `io.FileIO` alone changes: `_io.FileIO`, with which modules are imported, stays as it is."""
    if _ANSWERING:
        _ANSWERING[0].seam, _ANSWERING[0].calls = seam, calls
        return
    _ANSWERING.append(Answering(seam, calls))
    for owner, name, make in ((io, "FileIO", file_io), (mmap, "mmap", mapping)):
        setattr(owner, name, make(_ANSWERING[0]))


def mapping(who: Answering) -> type:
    real: Any = mmap.mmap

    class Mapping(real):  # type: ignore[misc]
        def __new__(cls, fileno: int, length: int, *arguments: Any, **named: Any) -> Any:
            if fileno != -1 and who.seam.applies():
                path = getattr(who.calls.table.file(fileno), "path", lambda: fileno)()
                raise NotImplementedError(f"files of the world cannot be mapped into memory: {path}")
            return super().__new__(cls, fileno, length, *arguments, **named)

    Mapping.__name__ = Mapping.__qualname__ = "mmap"
    return Mapping


def file_io(who: Answering) -> type:
    """Called, it gives a raw file of the world while a process of the world runs, and a real one otherwise.

    A class that is derived from it is so from neither: of each such class there are two more, one for each of them.
    """
    real: Any = io.FileIO

    class FileIOType(abc.ABCMeta):
        def __call__(cls, *arguments: Any, **named: Any) -> Any:
            return type.__call__(variant(cls, World if who.seam.applies() else real), *arguments, **named)

        def __instancecheck__(cls, instance: Any) -> bool:
            return cls.__subclasscheck__(type(instance))

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, RawFile | real) if cls is FileIO else cls in subclass.__mro__

    class World(RawFile):
        def __init__(self, file: Path, mode: str = "r", closefd: bool = True, opener: Opener | None = None) -> None:
            super().__init__(who.calls, file, mode, closefd, opener)

    class FileIO(metaclass=FileIOType):
        pass

    variants: dict[tuple[type, type], type] = {}

    def variant(cls: type, base: type) -> type:
        if cls is FileIO:
            return base
        if (cls, base) not in variants:
            variants[cls, base] = FileIOType(cls.__name__, (cls, base), {})
        return variants[cls, base]

    return FileIO
