"""For trial, and for unittest."""

from twisted.trial.unittest import SynchronousTestCase


class SimulatedTestCase(SynchronousTestCase):
    """Its methods may be simulated tests::

        class RelayTests(SimulatedTestCase):
            @simulated(seeds=200)
            def test_both_hear(self, world): ...

    In the process in which a method runs, `self` is another object: what `setUp` has made is not there. The options are
    environment variables: ``GLITCHGRID_SIM_SEED=17 trial tests.test_relay``.
    """
