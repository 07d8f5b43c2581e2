"""No note is lost that was answered with ``ok``."""

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineReceiver

from glitchgrid.testing import simulated

SERVICE = str(Path(__file__).with_name("notes.tac"))


class Asking(LineReceiver):
    """One request on a connection of its own; its answer ends with one of two lines."""

    def __init__(self):
        self.lines, self.answered = [], Deferred()

    def lineReceived(self, line):
        self.lines.append(line.decode(errors="replace"))
        if self.lines[-1] in ("ok", "end") and not self.answered.called:
            self.answered.callback(self.lines)

    def connectionLost(self, reason=None):
        if not self.answered.called:
            self.answered.errback(ConnectionLost())


async def ask(reactor, request):
    asking = await connectProtocol(clientFromString(reactor, "tcp:server:7000:timeout=2"), Asking())
    asking.sendLine(request.encode())
    asking.answered.addTimeout(2, reactor)
    lines = await asking.answered
    asking.transport.loseConnection()
    return lines


async def write(reactor, written):
    """Ten notes, one a second. Only what was answered counts."""
    for number in range(10):
        await deferLater(reactor, 1, lambda: None)
        try:
            await ask(reactor, f"add note {number}")
            written.append(f"note {number}")
        except Exception:
            pass  # it may be there, and may not


async def read(reactor, found):
    found.append(await ask(reactor, "list"))


@simulated(seeds=100)
def test_no_note_is_lost(world):
    written, found = [], []
    world["server"].run("-n", "--pidfile=", "-y", SERVICE)
    world["writer"].run(write, written)
    world.faults("kill", "power loss", "cut", on=["server"], until=20)
    world.run(60)
    world["reader"].run(read, found)
    assert world.run(10, until=lambda: found), "the server does not answer, and all is well"
    lost = sorted(set(written) - set(found[0]))
    assert not lost, f"lost: {', '.join(lost)}"
