"""foolscap: an object of another machine's, over TLS."""

from pathlib import Path
from typing import Any

from certificates import certificate
from foolscap.api import Tub
from foolscap.ipb import DeadReferenceError
from lost import LOST
from twisted.internet import task

from glitchgrid.testing import World, simulated

SERVER = Path(__file__).parent / "programs" / "foolscap_counter.py"


def furl_of(output: str) -> str:
    """The name under which the object is offered: whoever runs the server hands it on."""
    return next((line for line in output.splitlines() if line.startswith("pb://")), "")


async def count(reactor: Any, world: World, calls: list[str], answers: list[int]) -> None:
    tub = Tub(certData=certificate("client"))
    tub.setOption("keepaliveTimeout", 1)
    tub.setOption("disconnectTimeout", 2)
    tub.startService()
    while True:
        await task.deferLater(reactor, 0.5, lambda: None)
        furl = furl_of(world["server"].output)
        if not furl:
            continue
        try:
            counter = await tub.getReference(furl).addTimeout(3, reactor)
            calls.append("add")
            answers.append(await counter.callRemote("add", 1).addTimeout(3, reactor))
        except (*LOST, DeadReferenceError):
            continue


@simulated(seeds=50)
def test_nothing_is_added_twice(world: World) -> None:
    calls: list[str] = []
    answers: list[int] = []
    world["server"].host.disk.put("/srv/foolscap.pem", certificate("server"))
    world["server"].run_script(str(SERVER))
    world["client"].run(count, world, calls, answers)
    # No kill: the counter begins anew then.
    world.faults("cut", "reset", "pause", "clog", on=["server"], until=8)
    world.always(lambda: sorted(set(answers)) == answers, "each answer is larger than those before")
    world.always(lambda: max(answers, default=0) <= len(calls), "nothing is added twice")
    world.run(10)
    before = len(answers)
    assert world.run(60, until=lambda: len(answers) > before + 2)
    assert len(furl_of(world["server"].output)) == len("pb://@tcp:server:12345/counter") + 32
