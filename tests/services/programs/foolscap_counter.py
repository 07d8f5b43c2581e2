"""An object that counts, offered by foolscap: over TLS, under a name that says the key of its certificate."""

import os

from foolscap.api import Referenceable, Tub
from twisted.internet import reactor


class Counter(Referenceable):
    value = 0

    def remote_add(self, amount):
        self.value += amount
        return self.value


tub = Tub(certFile="/srv/foolscap.pem")
tub.listenOn("tcp:12345")
tub.setLocation("tcp:server:12345")
furl = tub.registerReference(Counter(), "counter")
with open("/srv/furl.new", "w") as file:
    file.write(furl)
os.replace("/srv/furl.new", "/srv/furl")
print(furl)
tub.startService()
reactor.run()
