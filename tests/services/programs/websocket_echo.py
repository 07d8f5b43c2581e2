"""autobahn's example of a WebSocket server that echoes, but for its output."""

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)


factory = WebSocketServerFactory("ws://server:9000")
factory.protocol = Echo
reactor.listenTCP(9000, factory)
reactor.run()
