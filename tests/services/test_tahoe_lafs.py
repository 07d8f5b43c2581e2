"""A node of tahoe-lafs, as `tahoe run` runs it, and a client of its storage protocol: foolscap's, over TLS."""

import os
import sys
from typing import Any

from certificates import certificate
from foolscap.api import DeadReferenceError, Tub
from lost import LOST
from twisted.internet import task

from glitchgrid.testing import World, simulated

COMMAND = os.path.join(sys.prefix, "bin", "tahoe")
NODE = "/srv/node"
CONFIGURATION = b"""
[node]
nickname = storage
tub.port = tcp:3457
tub.location = tcp:server:3457

[storage]
enabled = true
reserved_space = 0

[client]
"""
FILES = {
    "tahoe.cfg": CONFIGURATION,
    "tahoe-client.tac": b"",
    "private/introducers.yaml": b"introducers: {}",
    "private/node.pem": certificate("node"),
}
SLOT, SECRETS = b"s" * 16, (b"w" * 32, b"r" * 32, b"c" * 32)
SHARE = 0


def tell(reactor: Any, furls: list[str]) -> None:
    """Hand on where the storage server is reached, as soon as its node has written that down."""

    def look() -> None:
        try:
            with open(f"{NODE}/private/storage.furl") as file:
                furls.append(file.read().strip())
        except FileNotFoundError:
            reactor.callLater(0.5, look)

    look()


async def use(reactor: Any, world: World, name: str, furl: str) -> None:
    """Write to a mutable slot, and read it."""
    tub = Tub(certData=certificate(name))
    tub.setOption("keepaliveTimeout", 1)
    tub.setOption("disconnectTimeout", 2)
    tub.startService()
    for number in range(8):
        await task.deferLater(reactor, 1, lambda: None)
        value = f"{name}-{number}".encode()
        write = None
        try:
            server = await tub.getReference(furl).addTimeout(3, reactor)
            write = world.history.call(name, "write", value)
            vectors = {SHARE: ([], [(0, value)], len(value))}
            asked = server.callRemote("slot_testv_and_readv_and_writev", SLOT, SECRETS, vectors, [])
            done, _ = await asked.addTimeout(3, reactor)
            assert done
            write.ok()
        except (*LOST, DeadReferenceError):
            if write is not None:
                write.ambiguous()
            continue
        read = world.history.call(name, "read")
        try:
            found = await server.callRemote("slot_readv", SLOT, [SHARE], [(0, 100)]).addTimeout(3, reactor)
        except (*LOST, DeadReferenceError):
            read.failed()
        else:
            read.ok(found[SHARE][0])


# What takes long to import, and has no state.
SHARED = ("boltons", "click", "eliot", "pyutil", "qrcode", "spake2", "tqdm", "werkzeug", "wormhole")


def a_mutable_slot_is_a_register(world: World, *faults: str) -> None:
    furls: list[str] = []
    server = world["server"]
    for name, content in FILES.items():
        server.host.disk.put(f"{NODE}/{name}", content)
    server.run_script(COMMAND, "run", "--allow-stdin-close", NODE)
    server.run(tell, furls)
    assert world.run(30, until=lambda: furls)
    for name in ("one", "other"):
        world[name].run(use, world, name, furls[0])
    world.faults(*faults, on=["server"], until=10)
    world.run(60)
    assert any(each.function == "read" for each in world.history)
    world.history.check("register")


@simulated(seeds=50, share=SHARED)
def test_a_mutable_slot_is_a_register(world: World) -> None:
    a_mutable_slot_is_a_register(world, "kill", "cut", "pause", "disk stall")


@simulated(seeds=50, share=SHARED)
def test_a_mutable_slot_is_a_register_after_a_power_loss(world: World) -> None:
    a_mutable_slot_is_a_register(world, "power loss", "cut", "pause", "disk stall")
