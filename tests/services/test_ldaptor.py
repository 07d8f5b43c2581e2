"""ldaptor's LDAP server, with its own client: binds, searches and changes."""

from pathlib import Path
from typing import Any

from ldaptor.protocols.ldap.ldapclient import LDAPClient
from ldaptor.protocols.ldap.ldapsyntax import LDAPEntry
from lost import LOST
from twisted.internet import task
from twisted.internet.endpoints import clientFromString, connectProtocol

from glitchgrid.testing import World, simulated

SERVER = Path(__file__).parent / "programs" / "ldap_server.py"
BASE, BOB = b"dc=example,dc=org", b"cn=bob,dc=example,dc=org"


async def bound(reactor: Any) -> Any:
    client = await connectProtocol(clientFromString(reactor, "tcp:server:389:timeout=2"), LDAPClient())
    await client.bind(BOB, b"secret").addTimeout(3, reactor)
    return client


async def found(reactor: Any, client: Any) -> Any:
    (bob,) = await LDAPEntry(client, BASE).search(filterText=b"(cn=bob)").addTimeout(3, reactor)
    return bob


async def use(reactor: Any, world: World, name: str) -> None:
    """Read bob's surname, and change it."""
    for number in range(1, 6):
        await task.deferLater(reactor, 1, lambda: None)
        client = None
        read = world.history.call(name, "read")
        try:
            client = await bound(reactor)
            bob = await found(reactor, client)
        except LOST:
            read.failed()
            continue
        (surname,) = bob["sn"]
        read.ok(int(surname))
        value = number * 10 + int(name)
        write = world.history.call(name, "write", value)
        bob["sn"] = [str(value).encode()]
        try:
            await bob.commit().addTimeout(3, reactor)
        except LOST:
            write.ambiguous()
        else:
            write.ok()
        client.transport.loseConnection()


@simulated(seeds=50)
def test_an_attribute_is_a_register(world: World) -> None:
    world["server"].run_script(str(SERVER))
    for name in ("1", "2", "3"):
        world[f"client{name}"].run(use, world, name)
    # A kill would be no fault of the server's: it keeps its tree in memory.
    world.faults("cut", "reset", "pause", "slow", on=["server"], until=10)
    world.run(60)
    assert any(each.function == "write" for each in world.history)
    world.history.check("register", initial=0)
