"""Imports chosen packages with preemption points in them. Whatever else is imported stays as it is.

Byte code with points is kept in memory and nowhere else, and byte code without is not read: the caches on the disk
(PEP 3147) never hold the one in place of the other.
"""

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from glitchgrid.simulation.kernel.preemption_points import POINT, with_points

PER_MILLE_MAX = 1000


Known = dict[str, tuple[bytes, CodeType]]
"""What was compiled, by its path, and from which source."""


class TooLate(RuntimeError):
    """A package was imported already, without preemption points."""


class Loader(SourceFileLoader):
    """:param weight: of the module's points, in per mille.
    :param known: what was compiled before is found there: processes with modules of their own import the same files
        again and again.
    """

    def __init__(self, name: str, path: str, weight: int, known: "Known") -> None:
        super().__init__(name, path)
        self._weight = weight
        self._known = known

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        known = self._known.get(path)
        if known is None or known[0] != source:
            tree = with_points(source, path, self.name, self._weight)
            known = self._known[path] = source, compile(tree, path, "exec", dont_inherit=True)
        return known[1]


class Finder:
    """Finds what the other finders find. No `MetaPathFinder`: its module imports what must come behind the seam.

    :param weights: of packages and modules, in per mille; a module has that of the longest name that it is under.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._known: Known = {}

    def weight(self, module: str) -> int | None:
        """None for a module without points."""
        name = module
        while name:
            if name in self._weights:
                return self._weights[name]
            name = name.rpartition(".")[0]
        return None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if not self.weight(fullname):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                return self.pointed(spec)
        return None

    def pointed(self, spec: ModuleSpec) -> ModuleSpec:
        """The spec of a module, with a loader that puts points into it if it is to have any, and has a source."""
        weight = self.weight(spec.name)
        if weight and type(spec.loader) is SourceFileLoader:
            spec.loader = Loader(spec.name, spec.loader.path, weight, self._known)
            spec.cached = None
        return spec


def put_in(weights: Mapping[str, int], point: Callable[..., Any]) -> Finder:
    """From now on, these packages are imported with points, each of which calls `point`.

    :param weights: in per mille, from 0 for none to `PER_MILLE_MAX`.
    :raises ValueError: for a weight that can't be.
    :raises TooLate: where one was imported already, without any.
    """
    for name, weight in weights.items():
        if type(weight) is not int or not 0 <= weight <= PER_MILLE_MAX:
            raise ValueError(f"the weight of {name} is {weight!r}, and no whole number from 0 to {PER_MILLE_MAX}")
        if weight and name in sys.modules:
            raise TooLate(f"{name} is imported before preemption points can be put in: the world itself needs it")
    finder = Finder(weights)
    setattr(builtins, POINT, point)
    sys.meta_path.insert(0, finder)
    return finder
