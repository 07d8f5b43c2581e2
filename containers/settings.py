"""What the environment asks for, checked before anything is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DOCKER, PODMAN = "docker", "podman"
PORT_MAX = 65535
DEFAULT_PORT = 8000


class CannotTry(Exception):
    """Something is missing here. The text is the one line that says what, and the cure."""


@dataclass(frozen=True)
class Settings:
    """:ivar directory: what is made and kept for the next run goes there.
    :ivar port: of this machine, to publish control on.
    :ivar engine: None for Docker where it works, else podman.
    :ivar glitch: a deliberate bug that is switched on in all servers: some checks have to fail then.
    """

    directory: Path
    port: int = DEFAULT_PORT
    engine: str | None = None
    glitch: str | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """:raises CannotTry: for a setting that is none."""
        text = environment.get("CONTAINER_TEST_PORT") or str(DEFAULT_PORT)
        if not text.isdecimal() or not 1 <= int(text) <= PORT_MAX:
            raise CannotTry(f"CONTAINER_TEST_PORT is a port from 1 to {PORT_MAX}, not {text}")
        engine = environment.get("CONTAINER_TEST_ENGINE") or None
        if engine not in {None, DOCKER, PODMAN}:
            raise CannotTry(f"CONTAINER_TEST_ENGINE is docker or podman, not {engine}")
        directory = Path(environment.get("CONTAINER_TEST_DIR") or CHECKOUT / ".container-test")
        return cls(directory.absolute(), int(text), engine, environment.get("CONTAINER_TEST_GLITCH") or None)
