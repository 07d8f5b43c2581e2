"""An echo service, for the cost of a simulated test."""

from twisted.application.internet import TCPServer
from twisted.application.service import Application
from twisted.internet.protocol import Factory, Protocol

PORT = 7


class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())


application = Application("echo")
TCPServer(PORT, Factory.forProtocol(Echo)).setServiceParent(application)
