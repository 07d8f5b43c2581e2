"""Where a test command finds the grid, and what it shares with the others: by its environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from glitchgrid.errors import BadAddress, BadTokenFile
from glitchgrid.lab.errors import CannotRun
from glitchgrid.tokens import first_token
from glitchgrid.vaults.address import VaultAddress

CONTROLS = "GLITCHGRID_CONTROLS"
VAULTS = "GLITCHGRID_VAULTS"
TIMELINE = "GLITCHGRID_TIMELINE"
SEED = "GLITCHGRID_SEED"
TOKEN_FILE = "GLITCHGRID_TOKEN_FILE"  # noqa: S105 - the name of a variable


@frozen
class CommandEnvironment:
    """:ivar directory: what the commands of one timeline share; a volume, in containers.
    :ivar seed: where the choices of this command come from; None takes them from Antithesis's SDK.
    :ivar token: what is presented to controls and vaults alike; None for nothing.
    """

    controls: tuple[VaultAddress, ...]
    vaults: tuple[VaultAddress, ...]
    directory: Path
    seed: str | None
    token: bytes | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "CommandEnvironment":
        """:raises CannotRun: naming the variable that is missing or wrong."""
        return cls(
            _addresses(environment, CONTROLS),
            _addresses(environment, VAULTS),
            Path(_text(environment, TIMELINE)),
            environment.get(SEED) or None,
            _token(environment),
        )

    @classmethod
    def here(cls) -> "CommandEnvironment":
        return cls.of(os.environ)


def _text(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    if not text:
        raise CannotRun(f"{name} is not set")
    return text


def _token(environment: Mapping[str, str]) -> bytes | None:
    path = environment.get(TOKEN_FILE, "")
    try:
        return first_token(path) if path else None
    except BadTokenFile as error:
        raise CannotRun(f"{TOKEN_FILE}: {error}") from error


def _addresses(environment: Mapping[str, str], name: str) -> tuple[VaultAddress, ...]:
    try:
        return tuple(VaultAddress.parse(text.strip()) for text in _text(environment, name).split(","))
    except BadAddress as error:
        raise CannotRun(f"{name}: {error}") from error
