"""How a server is reached, by whom, and by how many: what operators choose, and what both kinds of server have."""

from attrs import frozen
from twisted.internet.interfaces import IStreamServerEndpoint

from glitchgrid.http.access import Access
from glitchgrid.tls.ends import Ends


@frozen
class Place:
    """Where something listens.

    :ivar name: what its user calls it, for messages.
    """

    endpoint: IStreamServerEndpoint
    name: str


@frozen
class Doors:
    """:ivar access_log: log a line for each request, and not only for those that the server fails.
    :ivar access: who may do what; None where everybody may do everything.
    :ivar ends: the ends of certificates, to be told; None where there are none.
    :ivar health_at: where health is answered besides; None for nowhere.
    :ivar connections_max: so many connections there are descriptors for: further ones wait. None where there are enough
        for all that the wire allows.
    """

    access_log: bool = False
    access: Access | None = None
    ends: Ends | None = None
    health_at: Place | None = None
    connections_max: int | None = None


OPEN = Doors()
"""Everybody is let in, and as many as the wire allows."""
