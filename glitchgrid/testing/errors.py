"""What can go wrong with a simulated test.

AssertionError
    SimulationFailed        a seed failed: the message says which, how, and how to see it again
Exception
    WorldError              the test asked for what there is not; the message says for what, and the cure
"""


class SimulationFailed(AssertionError):
    """A simulated test has failed at a seed."""

    __test__ = False


class WorldError(Exception):
    """A test can't be run as it is written."""
