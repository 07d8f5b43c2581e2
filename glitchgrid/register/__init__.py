"""The replicated register: one interface, and the protocols behind it.

`glitchgrid.register.interface` says what a register is; each protocol has a module of its own, and `PROTOCOLS`
lists them by the name that ``--protocol`` takes.
"""

from glitchgrid.register.atomic import AtomicRegister
from glitchgrid.register.classic import ClassicRegister

PROTOCOLS: dict[str, type[AtomicRegister] | type[ClassicRegister]] = {
    "atomic": AtomicRegister,
    "classic": ClassicRegister,
}

DEFAULT_PROTOCOL = "atomic"
