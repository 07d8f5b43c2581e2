"""opencanary by its own twistd file: it pretends to be many servers, over TCP and UDP, and logs who comes."""

import json
import os
import sys
from typing import Any

from lost import LOST
from twisted.internet import endpoints, protocol, task

from glitchgrid.testing import World, simulated

COMMAND = os.path.join(sys.prefix, "bin", "opencanary.tac")
LOG = "/srv/opencanary.log"

GIT = b"git-upload-pack /project.git\0host=canary\0"
SIP = b"""\
OPTIONS sip:joe@canary SIP/2.0
Via: SIP/2.0/UDP visitor
From: a
To: b
Call-ID: 1
CSeq: 1 OPTIONS
Content-Length: 0

""".replace(b"\n", b"\r\n")
STREAMS = {  # by their ports: what is said there, and the number by which it is logged
    21: (b"USER joe\r\nPASS secret\r\n", 2000),
    80: (b"GET /index.html HTTP/1.1\r\nHost: canary\r\n\r\n", 3000),
    6379: (b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", 17001),
    9418: (b"%04x%b" % (len(GIT) + 4, GIT), 16001),
    8001: (b"hello", 18001),
}
DATAGRAMS = {
    69: (b"\0\1secrets.txt\0octet\0", 10001),
    123: (b"\x17\x00\x03*" + b"\0" * 4, 11001),
    5060: (SIP, 15001),
}
KINDS = {kind for _, kind in [*STREAMS.values(), *DATAGRAMS.values()]}

CONFIGURATION = {
    "device.node_id": "canary",
    "ftp.enabled": True,
    "git.enabled": True,
    "http.enabled": True,
    "ntp.enabled": True,
    "redis.enabled": True,
    "sip.enabled": True,
    "tftp.enabled": True,
    "tcpbanner.enabled": True,
    "tcpbanner.maxnum": 1,
    "tcpbanner_1.enabled": True,
    "tcpbanner_1.port": 8001,
    "tcpbanner_1.datareceivedbanner": "",
    "tcpbanner_1.initbanner": "",
    "tcpbanner_1.alertstring.enabled": False,
    "tcpbanner_1.alertstring": "",
    "tcpbanner_1.keep_alive.enabled": False,
    "logger": {
        "class": "PyLogger",
        "kwargs": {
            "formatters": {"plain": {"format": "%(message)s"}},
            "handlers": {"file": {"class": "logging.FileHandler", "filename": LOG}},
        },
    },
}


async def visit(reactor: Any) -> None:
    """All of them, again and again."""
    port = reactor.listenUDP(0, protocol.DatagramProtocol())
    while True:
        for number, (said, _) in STREAMS.items():
            endpoint = endpoints.clientFromString(reactor, f"tcp:canary:{number}:timeout=1")
            try:
                connected = await endpoint.connect(protocol.Factory.forProtocol(protocol.Protocol))
            except LOST:
                continue
            connected.transport.write(said)
            await task.deferLater(reactor, 0.5, lambda: None)
            connected.transport.loseConnection()
        for number, (said, _) in DATAGRAMS.items():
            port.write(said, ("10.0.0.1", number))
        await task.deferLater(reactor, 1, lambda: None)


async def read(reactor: Any, logged: list[dict[str, Any]]) -> None:
    while True:
        await task.deferLater(reactor, 1, lambda: None)
        if os.path.exists(LOG):
            with open(LOG) as file:
                logged[:] = [json.loads(line) for line in file]


# What takes long to import, and has no state.
SHARED = ("git", "gitdb", "hpfeeds", "jinja2", "redis", "requests", "simplejson", "smmap", "urllib3")


@simulated(seeds=50, share=SHARED)
def test_who_comes_is_logged(world: World) -> None:
    logged: list[dict[str, Any]] = []
    canary, visitor = world["canary"], world["visitor"]
    canary.host.disk.put("/etc/opencanaryd/opencanary.conf", json.dumps(CONFIGURATION).encode())
    canary.run("-n", "--pidfile=", "-y", COMMAND)
    canary.run(read, logged)
    visitor.run(visit)
    world.faults("kill", "cut", "pause", "slow", on=["canary"], until=10)
    world.run(12)
    before = len(logged)
    assert world.run(60, until=lambda: {each["logtype"] for each in logged[before:]} >= KINDS), logged[before:]
    assert {each["src_host"] for each in logged if each["logtype"] in KINDS} == {visitor.address}
