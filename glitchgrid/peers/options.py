"""What an operator says of a vault's peers."""

from collections.abc import Sequence

from attrs import frozen

from glitchgrid.tls.asking import ClientTLS
from glitchgrid.vaults.address import VaultAddress


@frozen
class Peers:
    """:ivar addresses: of all vaults of the grid, the vault itself among them; none for a vault on its own.
    :ivar token: what is presented to them.
    :ivar tls: how they are asked by TLS; None to ask them without.
    :ivar allows_unlisted: take stores that come without a list of vaults.
    :ivar accept_loss: the word of whoever wants the vault to go on without enough of them.
    :ivar is_added: the vault is to be added to a grid that has another list by now.
    """

    addresses: Sequence[VaultAddress] = ()
    token: bytes | None = None
    tls: ClientTLS | None = None
    allows_unlisted: bool = False
    accept_loss: str | None = None
    is_added: bool = False


ALONE = Peers()
