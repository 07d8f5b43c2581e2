"""Where a test command finds the grid, and what it shares with the others: by its environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from glitchgrid.errors import BadAddress
from glitchgrid.lab.errors import CannotRun
from glitchgrid.vaults.address import VaultAddress

CONTROLS = "GLITCHGRID_CONTROLS"
VAULTS = "GLITCHGRID_VAULTS"
TIMELINE = "GLITCHGRID_TIMELINE"
SEED = "GLITCHGRID_SEED"


@frozen
class CommandEnvironment:
    """:ivar directory: what the commands of one timeline share; a volume, in containers.
    :ivar seed: where the choices of this command come from; None takes them from Antithesis's SDK.
    """

    controls: tuple[VaultAddress, ...]
    vaults: tuple[VaultAddress, ...]
    directory: Path
    seed: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "CommandEnvironment":
        """:raises CannotRun: naming the variable that is missing or wrong."""
        return cls(
            _addresses(environment, CONTROLS),
            _addresses(environment, VAULTS),
            Path(_text(environment, TIMELINE)),
            environment.get(SEED) or None,
        )

    @classmethod
    def here(cls) -> "CommandEnvironment":
        return cls.of(os.environ)


def _text(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    if not text:
        raise CannotRun(f"{name} is not set")
    return text


def _addresses(environment: Mapping[str, str], name: str) -> tuple[VaultAddress, ...]:
    try:
        return tuple(VaultAddress.parse(text.strip()) for text in _text(environment, name).split(","))
    except BadAddress as error:
        raise CannotRun(f"{name}: {error}") from error
