"""Systems that somebody has described for another tool: a Procfile, or a Compose file.

Of a Compose file's services those can be machines that have an explicit ``command`` whose program is on the PATH: there
are no images here. Files of neither kind say when a server serves, nor which disks matter: a machine is there when it
runs, and what a service has a volume for may be lost.
"""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glitchgrid.lab.errors import CannotRun

PROCFILE = "Procfile"
COMPOSE = re.compile(r"(docker-)?compose.*\.ya?ml")
PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")

Entries = Mapping[str, Mapping[str, Any]]
"""Machines, as a system file has them."""


def is_procfile(path: Path) -> bool:
    return path.name == PROCFILE or path.suffix == ".procfile"


def is_compose(path: Path) -> bool:
    return COMPOSE.fullmatch(path.name) is not None


def machines_of_procfile(path: Path, text: str) -> Entries:
    """:raises CannotRun: for the first line that is none."""
    found: dict[str, Mapping[str, Any]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        process = PROCESS.fullmatch(line.strip())
        if process is None:
            raise CannotRun(f"{path}: line {number} is not NAME: COMMAND")
        # A shell reads it, as with other programs that run Procfiles: variables are replaced.
        found[_name(process[1])] = {"program": ["sh", "-c", f"exec {process[2]}"], "keeps": True}
    return found


def machines_of_compose(path: Path, text: str) -> Entries:
    """:raises CannotRun: for a service that cannot be run, by its name."""
    _, services = services_of(path, text)
    return {_name(name): _machine_of(path, name, service) for name, service in services.items()}


def services_of(path: Path, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """All of a Compose file, and its services.

    :raises CannotRun: for what is no such file.
    """
    try:
        from ruamel.yaml import YAML  # noqa: PLC0415 - an extra
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    except ImportError:
        raise CannotRun("Compose files need ruamel.yaml: pip install 'glitchgrid[compose]'") from None
    try:
        data = YAML(typ="safe").load(text) or {}
        services = data.get("services")
    except (YAMLError, AttributeError) as error:
        raise CannotRun(f"{path} is no Compose file: {str(error).splitlines()[0]}") from error
    if not isinstance(services, dict) or not services:
        raise CannotRun(f"{path} has no services")
    return data, services


def _machine_of(path: Path, name: str, service: Any) -> Mapping[str, Any]:
    command = service.get("command") if isinstance(service, dict) else None
    program = [str(word) for word in command] if isinstance(command, list) else shlex.split(str(command or ""))
    if not program:
        raise CannotRun(f"{path}: {name} has no command, and its image cannot be run here")
    if shutil.which(program[0]) is None:
        raise CannotRun(f"{path}: {name} runs {program[0]}, which is not on the PATH")
    return {
        "program": program,
        "keeps": bool(service.get("volumes")),
        "environment": _environment(service.get("environment")),
    }


def _environment(given: Any) -> Mapping[str, str]:
    """A mapping, or a list of NAME=VALUE."""
    if isinstance(given, dict):
        return {str(name): "" if value is None else str(value) for name, value in given.items()}
    pairs: Sequence[Any] = given if isinstance(given, list) else []
    return dict(str(pair).partition("=")[::2] for pair in pairs)


def _name(name: str) -> str:
    """A host's name has no underscore."""
    return name.lower().replace("_", "-")
