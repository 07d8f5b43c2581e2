"""The names of those that judge a run of the register.

docs/explanation/simulation.md says what each of them sees, and what it does not.
"""

from glitchgrid.lab.verdict import LIVENESS, LOG, STATEMENT, Oracles

HISTORY = "checker"
"""What clients saw, in order."""

INVARIANT = "invariant"
"""What the vaults hold on their disks and show."""

ORACLES = Oracles(
    # The history, how long things take, what each server answers, asks and logs, which sockets and threads it has, and
    # when it ends.
    outside=(HISTORY, "availability", LIVENESS, "convergence", "wire", "holdings", "stop", "exercise"),
    inside=(STATEMENT, INVARIANT, LOG),
    excused=(STATEMENT, HISTORY, INVARIANT),
)
