"""The names of those that judge a run. What each sees, and what it is blind to, is in docs/simulation.md."""

STATEMENT = "property"
"""What servers state of themselves."""

HISTORY = "checker"
"""What clients saw, in order."""

OUTSIDE = (HISTORY, "availability", "liveness", "convergence", "wire", "holdings", "stop", "exercise")
"""These see no more than clients, vaults and the operating system do: the history, how long things take, what each
server answers, asks and logs, which sockets and threads it has, and when it ends."""

INSIDE = (STATEMENT, "invariant", "log")

RUN = ("determinism", "Escape", "Stuck")
"""Of the run itself: it was not the same again, left the world, or went round in circles."""

ORACLES = (*INSIDE, *OUTSIDE, *RUN)

EXCUSED = (STATEMENT, HISTORY, "invariant")
"""What these say of a run is expected once an assumption of the register is broken."""
