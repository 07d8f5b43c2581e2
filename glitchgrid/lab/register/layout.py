"""Which machines there are in a run of the register, and what each of a campaign's runs is to have."""

from collections.abc import Sequence
from typing import ClassVar

from attrs import field, frozen

from glitchgrid.lab.layout import CLIENTS, Layout, Link
from glitchgrid.lab.limits import one_of, whole
from glitchgrid.register import PROTOCOLS
from glitchgrid.simulation.random_stream import RandomStream

ATOMIC = "atomic"
CONTROL_PORT = 8000
VAULT_PORT = 8001
VAULTS_MAX = 9
CONTROLS_MAX = 4
STEPS_MAX = 10_000
VAULTS_DRAWN = (3, 3, 3, 2, 4, 5)
CONTROLS_DRAWN = (1, 2, 2)
CLIENTS_PER_MILLE = 200
"""How often a link is one between the clients and a control."""


@frozen
class GridLayout(Layout):
    """:ivar steps: how many writes the clients make."""

    system: ClassVar[str] = "glitchgrid.lab.register.system:REGISTER"
    vaults: int = field(default=3, validator=whole(1, VAULTS_MAX))
    controls: int = field(default=1, validator=whole(1, CONTROLS_MAX))
    protocol: str = field(default=ATOMIC, validator=one_of(*PROTOCOLS))
    steps: int = field(default=20, validator=whole(1, STEPS_MAX))

    @property
    def vault_names(self) -> list[str]:
        return [f"vault{number + 1}" for number in range(self.vaults)]

    @property
    def control_names(self) -> list[str]:
        return [f"control{number + 1}" for number in range(self.controls)]

    @property
    def servers(self) -> Sequence[str]:
        return [*self.vault_names, *self.control_names]

    @property
    def keepers(self) -> Sequence[str]:
        return self.vault_names

    def draw_link(self, rng: RandomStream) -> Link:
        """Between a control and a vault, or now and then between the clients and a control."""
        source = rng.pick(self.control_names)
        target = CLIENTS if rng.chance(CLIENTS_PER_MILLE) else rng.pick(self.vault_names)
        return (target, source) if rng.below(2) else (source, target)


@frozen
class Wanted:
    """What a campaign's runs are to be like. A number of vaults or controls that is not given is drawn by each seed."""

    vaults: int | None = None
    controls: int | None = None
    protocol: str = ATOMIC
    steps: int = 20

    def layout(self, seed: str) -> GridLayout:
        rng = RandomStream(f"{seed}:layout")
        vaults, controls = rng.pick(VAULTS_DRAWN), rng.pick(CONTROLS_DRAWN)
        return GridLayout(self.vaults or vaults, self.controls or controls, self.protocol, self.steps)
