"""The replicated register: one interface, and the protocols behind it.

`glitchgrid.register.interface` says what a register is; each protocol has a module of its own, and `PROTOCOLS`
lists them by the name that ``--protocol`` takes.
"""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from glitchgrid.register.atomic import AtomicRegister
from glitchgrid.register.classic import ClassicRegister
from glitchgrid.register.interface import IRegister
from glitchgrid.vaults.client import VaultClient

PROTOCOLS: dict[str, Callable[[Sequence[VaultClient], IReactorTime], IRegister]] = {
    "atomic": AtomicRegister,
    "classic": ClassicRegister,
}

DEFAULT_PROTOCOL = "atomic"
