"""What programs state of themselves with Antithesis's SDK: collected in the world, in place of where the SDK sends it.

The SDK hands each statement over as a line of JSON, in one function of its own; the format is that of its local output
(``ANTITHESIS_SDK_LOCAL_OUTPUT``). It does so once for each statement and for whether it held, in each program.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SENDS, STATES = "antithesis._internal", "antithesis.assertions"
"""Modules of the SDK: that which hands over, and that which has taken its function from there."""

FUNCTION = "dispatch_output"
MUST_HOLD = {"Always", "AlwaysOrUnreachable", "Unreachable"}
"""As the SDK shows their kinds."""

Broke = Callable[[str], object]
"""Is told of a statement that must hold, and did not."""


class Statements:
    """Those of one run after the other.

    :ivar seen: how often each was handed over in this run, by its text and by whether it held.
    """

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, bool]] = Counter()
        self._broke: Broke = lambda _text: None

    def put_in(self) -> None:
        """From now on, whoever imports the SDK is heard."""
        sys.meta_path.insert(0, _Finder(self.take))

    def begin(self, broke: Broke) -> None:
        """A run begins."""
        self.seen = Counter()
        self._broke = broke
        shared = sys.modules.get(STATES)  # where programs share modules, it remembers what it has handed over
        if shared is not None:
            shared.assert_tracker.clear()

    def take(self, line: str) -> None:
        """What the SDK hands over: beside statements, its own version and hints for where to search."""
        stated = json.loads(line).get("antithesis_assert")
        if stated is None or not stated["hit"]:
            return
        text, held = stated["message"], stated["condition"]
        self.seen[text, held] += 1
        if not held and stated["display_type"] in MUST_HOLD:
            details = f" {json.dumps(stated['details'])}" if stated.get("details") else ""
            self._broke(f"{text}{details}")


class _Finder:
    """Finds what the other finders find: the one module of the SDK with another function in it."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname != SENDS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, self._take)  # type: ignore[assignment] # it is asked for no more
                return spec
        return None


class _Loader:
    def __init__(self, loader: Any, take: Callable[[str], None]) -> None:
        self._loader = loader
        self._take = take

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._loader.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        setattr(module, FUNCTION, self._take)
