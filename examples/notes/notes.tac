"""A notebook on the network: ``add TEXT`` is answered with ``ok``, and ``list`` with all notes and a line ``end``."""

from pathlib import Path

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

FILE = Path("notes.txt")


class Notebook(LineReceiver):
    def lineReceived(self, line):
        if line.startswith(b"add "):
            self.add(line.removeprefix(b"add "))
            self.sendLine(b"ok")
        else:
            for note in FILE.read_bytes().splitlines() if FILE.exists() else []:
                self.sendLine(note)
            self.sendLine(b"end")

    def add(self, note):
        with FILE.open("ab") as file:
            file.write(note + b"\n")


application = Application("notes")
service = StreamServerEndpointService(serverFromString(reactor, "tcp:7000"), Factory.forProtocol(Notebook))
service.setServiceParent(application)
