"""Scripted vaults, and strangers among them."""

from glitchgrid.lab.register.layout import VAULT_PORT
from glitchgrid.lab.register.scripted.stranger import stranger
from tests.simulation.stage import MS, SECOND, Talker, WorldTestCase

ASKS = b"GET / HTTP/1.1\r\nHost: vault\r\n\r\n"


class StrangerTests(WorldTestCase):
    def answered(self, how: str, *, is_told_to_end: bool = False) -> Talker:
        """What somebody hears who asks a stranger."""
        self.far.start(stranger(how))
        self.world.run(SECOND)
        talker = self.connect(port=VAULT_PORT)
        self.world.run(10 * MS)
        self.say(talker, ASKS)
        self.world.run(10 * MS)
        self.assertNotEqual(talker.heard, b"")
        if is_told_to_end:
            assert self.far.process is not None
            self.far.process.terminate()
        self.world.run(200 * MS)
        return talker

    def test_a_broken_answer_is_broken_whatever_ends_it(self) -> None:
        """Ended in good order it would be whole: an HTTP/1.0 answer ends with its connection (seed 10753)."""
        for is_told_to_end in (False, True):
            talker = self.answered("without a length, broken", is_told_to_end=is_told_to_end)
            self.assertEqual(talker.ended, "ConnectionLost")
            self.assertTrue(talker.heard.startswith(b"HTTP/1.0 200 OK\r\n"))
            self.far.kill()

    def test_others_end_in_good_order(self) -> None:
        self.assertEqual(self.answered("cut").ended, "ConnectionDone")
