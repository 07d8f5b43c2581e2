"""Time for waiting.

Twisted's reactor reads the wall clock. Set that back by an hour, and every deadline in the process comes an
hour late; set it forward, and they all come at once. All waits of this project run on the monotonic clock
(condition 11 of the register's correctness).
"""

import time
from typing import Any


def run_on_monotonic_clock(reactor: Any) -> None:
    """Make `reactor` (the real one) schedule by the monotonic clock. Call it before anything is scheduled."""
    reactor.seconds = time.monotonic
