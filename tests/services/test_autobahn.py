"""autobahn's WebSocket server and client."""

from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.protocol import ReconnectingClientFactory

from glitchgrid.testing import World, simulated

SERVER = Path(__file__).parent / "programs" / "websocket_echo.py"
MESSAGES = ["a", "b" * 200, "c" * 70_000, "the last"]
"""The lengths of frames are written in three ways (RFC 6455, 5.2)."""


class Client(WebSocketClientProtocol):
    def onOpen(self) -> None:
        self.factory.resetDelay()
        self.heard: list[str] = []
        self.factory.conversations.append(self.heard)
        for each in MESSAGES:
            self.sendMessage(each.encode())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.heard.append(payload.decode())
        if len(self.heard) == len(MESSAGES):
            self.sendClose()


class Factory(ReconnectingClientFactory, WebSocketClientFactory):
    protocol = Client
    maxDelay = 2


def talk(reactor: Any, conversations: list[list[str]]) -> None:
    factory = Factory("ws://server:9000", reactor=reactor)
    factory.conversations = conversations
    factory.setProtocolOptions(openHandshakeTimeout=2, autoPingInterval=1, autoPingTimeout=2)
    reactor.connectTCP("server", 9000, factory, timeout=2)


@simulated(seeds=50)
def test_what_was_said_comes_back(world: World) -> None:
    conversations: list[list[str]] = []
    world["server"].run_script(str(SERVER))
    world["client"].run(talk, conversations)
    world.faults("kill", "cut", "reset", "clog", on=["server"], until=10)
    world.always(lambda: all(each == MESSAGES[: len(each)] for each in conversations), "an echo is what was said")
    world.run(10)
    before = len(conversations)
    assert world.run(30, until=lambda: MESSAGES in conversations[before:]), conversations
