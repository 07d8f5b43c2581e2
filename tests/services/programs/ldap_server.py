"""ldaptor's server over a tree in memory, as its documentation has it."""

from io import BytesIO

from ldaptor.inmemory import fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter

LDIF = b"""\
dn: dc=org
dc: org
objectClass: dcObject

dn: dc=example,dc=org
dc: example
objectClass: dcObject
objectClass: organization

dn: cn=bob,dc=example,dc=org
cn: bob
objectClass: person
sn: 0
userPassword: secret

"""


class Factory(ServerFactory):
    protocol = LDAPServer

    def __init__(self, root):
        self.root = root

    def buildProtocol(self, addr):
        made = self.protocol()
        made.factory = self
        return made


registerAdapter(lambda factory: factory.root, Factory, IConnectedLDAPEntry)
fromLDIFFile(BytesIO(LDIF)).addCallback(lambda tree: reactor.listenTCP(389, Factory(tree)))
reactor.run()
