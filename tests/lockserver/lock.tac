"""``twistd -n --python lock.tac``: the lock server, which keeps its file below /var/lib."""

from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.python.threadpool import ThreadPool

from tests.lockserver import server

application = Application("lock")
endpoint = TCP4ServerEndpoint(reactor, server.PORT)
server.LockService(reactor, endpoint, server.Directory("/var/lib"), ThreadPool(0, 1)).setServiceParent(application)
