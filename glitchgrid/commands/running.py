"""How a command runs inside Twisted's reactor: what signals do to it, and what its errors come to."""

import signal
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from twisted.internet import reactor as _global_reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.commands.ending import CANNOT_SAY, fail, fail_by_a_bug
from glitchgrid.commands.printing import drop_output
from glitchgrid.errors import GlitchgridError


def run(command: Callable[[Any], Coroutine[Any, Any, int]], status_when_stopped: int) -> NoReturn:
    """Run `command(reactor)`, and exit with the status that it returns.

    Ctrl-C, SIGTERM and SIGHUP (a closed terminal) cancel it: it gets a CancelledError where it waits, and as
    long as its ``finally`` clauses take to end what it has begun.
    """
    reactor: Any = _global_reactor
    run_on_monotonic_clock(reactor)

    async def main() -> None:
        raise SystemExit(await _status(command(reactor), status_when_stopped))

    def started(_: Any) -> Deferred[None]:
        # Twisted handles SIGINT and SIGTERM by itself, and leaves SIGHUP to kill the process.
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))
        running = Deferred.fromCoroutine(main())
        has_ended: Deferred[None] = Deferred()

        def ended(result: Any) -> Any:
            has_ended.callback(None)
            return result

        def stop() -> Deferred[None]:
            if not has_ended.called:
                reactor.callLater(0, running.cancel)
            return has_ended

        running.addBoth(ended)
        reactor.addSystemEventTrigger("before", "shutdown", stop)
        return running

    react(started, _reactor=reactor)
    raise SystemExit(CANNOT_SAY)


async def _status(command: Coroutine[Any, Any, int], status_when_stopped: int) -> int:
    """How the command ends, whatever ends it."""
    try:
        return await command
    except CancelledError:
        return status_when_stopped
    except BrokenPipeError:
        drop_output()
        return CANNOT_SAY
    except (GlitchgridError, OSError) as error:
        fail(str(error))
    except Exception as error:  # noqa: BLE001 - a bug, which must not pass for a violation (status 1)
        fail_by_a_bug(error)
