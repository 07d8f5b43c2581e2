"""Connections of `sqlite3` that know the threads of a world: to the library itself, all of them are one.

Who uses another thread's connection is told of it, as `sqlite3` does; and where threads may share one, each waits until
the others' calls have ended, as the library's own lock makes real threads wait.
"""

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from glitchgrid.simulation.kernel.process import Process, Thread

OF_CONNECTION = (
    *("__call__", "__enter__", "__exit__", "backup", "blobopen", "close", "commit", "create_aggregate"),
    *("create_collation", "create_function", "create_window_function", "cursor", "deserialize", "execute"),
    *("executemany", "executescript", "rollback", "serialize", "set_authorizer", "set_progress_handler"),
    "set_trace_callback",
)
OF_CURSOR = ("__next__", "close", "execute", "executemany", "executescript", "fetchall", "fetchmany", "fetchone")

POSITIONS = {"check_same_thread": 4, "factory": 5}
"""Of the arguments of `connect`."""


class Turns:
    """Whose turn it is with one connection.

    :ivar watchers: are told at the end of each.
    """

    def __init__(self, process: Process, *, is_shared: bool) -> None:
        self.watchers: dict[object, Callable[[], None]] = {}
        self._process = process
        self._thread = process.thread
        self._is_shared = is_shared
        self._at_work: Thread | None = None

    def take(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a call gives, when nobody else is within another one.

        :raises sqlite3.ProgrammingError: in a thread that did not make the connection, where it has to be that one.
        """
        here = self._process.threads.get(getcurrent())  # none where what a dead process left is thrown away
        if here is None or here is self._at_work:
            return call(*arguments, **named)
        if not self._is_shared and here is not self._thread:
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in "
                f"thread id {self._thread.ident} and this is thread id {here.ident}."
            )
        self._process.wait_for([self], lambda: self._at_work is None)
        self._at_work = here
        try:
            return call(*arguments, **named)
        finally:
            self._at_work = None
            for tell in list(self.watchers.values()):
                tell()


def connect(current: Callable[[], Process], *arguments: Any, **named: Any) -> sqlite3.Connection:
    """`sqlite3.connect`."""
    same_thread, factory = (_argument(name, arguments, named) for name in POSITIONS)
    made = _connection_class(factory or sqlite3.Connection)
    place = POSITIONS["factory"]
    if len(arguments) > place:
        arguments = (*arguments[:place], made, *arguments[place + 1 :])
    else:
        named["factory"] = made
    connection: Any = _REAL_CONNECT(*arguments, **named)
    connection._turns = Turns(current(), is_shared=same_thread is not None and not same_thread)  # noqa: SLF001 - our own
    return connection  # type: ignore[no-any-return]


_REAL_CONNECT = sqlite3.connect
"""Bound before anything is patched."""


def _argument(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    place = POSITIONS[name]
    return arguments[place] if len(arguments) > place else named.get(name)


@functools.cache
def _connection_class(base: Any) -> Any:
    made = _derived(base, OF_CONNECTION, lambda connection: getattr(connection, "_turns", None))
    give = made.cursor

    def cursor(self: Any, factory: Any = sqlite3.Cursor) -> Any:
        return give(self, _cursor_class(factory) if isinstance(factory, type) else factory)

    made.cursor = cursor
    return made


@functools.cache
def _cursor_class(base: Any) -> Any:
    return _derived(base, OF_CURSOR, lambda cursor: getattr(cursor.connection, "_turns", None))


def _derived(base: Any, names: tuple[str, ...], turns_of: Callable[[Any], Turns | None]) -> Any:
    """A class whose methods wait for their turn."""

    def method(name: str) -> Any:
        original = getattr(base, name)

        @functools.wraps(original)
        def in_turn(self: Any, *arguments: Any, **named: Any) -> Any:
            turns = turns_of(self)
            if turns is None:
                return original(self, *arguments, **named)
            return turns.take(original, self, *arguments, **named)

        return in_turn

    methods = {name: method(name) for name in names if hasattr(base, name)}
    return type(base)(base.__name__, (base,), {**methods, "__module__": base.__module__})
