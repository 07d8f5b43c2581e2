"""Systems that somebody has described for another tool: a Procfile, or a Compose file.

Of a Compose file's services those can be machines that have an explicit ``command`` whose program is on the PATH: there
are no images here. Files of neither kind say when a server serves, nor which disks matter: a machine is there when it
runs, and what a service has a volume for may be lost.

Programs run in the directory of the file, as its own tool would run them. The machine's disk is another one, whose
name they have as DISK.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glitchgrid.lab.errors import CannotRun

PROCFILE = "Procfile"
COMPOSE = re.compile(r"(docker-)?compose.*\.ya?ml")
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::?-([^}]*))?\}|(\w+))")
PORT = "5000"
"""What programs of a Procfile find as PORT. Each has an address of its own."""

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
        command = f"cd {shlex.quote(str(path.resolve().parent))} && {process[2]}"
        environment = {"PORT": PORT, "DISK": "{disk}"}
        found[_name(process[1])] = {
            "program": ["sh", "-c", _as_it_is(command)],
            "environment": environment,
            "keeps": True,
        }
    return found


def machines_of_compose(path: Path, text: str) -> Entries:
    """Those services that can be run; `refused_services` tells of the others.

    :raises CannotRun: where none can, for the first of them.
    """
    _, services = services_of(path, text)
    known = _known_beside(path)
    refused = _refusals(services, known)
    if len(refused) == len(services):
        raise CannotRun(f"{path}: {next(iter(refused.values()))}")
    return {_name(name): _machine_of(path, service, known) for name, service in services.items() if name not in refused}


def refused_services(path: Path) -> Sequence[str]:
    """Why some services of a Compose file are not run, a line each. None for another file.

    :raises CannotRun: for what is no such file.
    """
    if not is_compose(path):
        return ()
    _, services = services_of(path, path.read_text(encoding="utf-8"))
    return tuple(_refusals(services, _known_beside(path)).values())


def _known_beside(path: Path) -> Mapping[str, str]:
    """The variables that Compose would know: those of .env, and over them a shell's."""
    return {**variables_of(path.with_name(".env")), **os.environ}


def _refusals(services: Mapping[str, Any], known: Mapping[str, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, service in services.items():
        program = _program_of(service, known)
        if not program:
            found[name] = f"{name} has no command, and its image cannot be run here"
        elif shutil.which(program[0]) is None:
            found[name] = f"{name} runs {program[0]}, which is not on the PATH"
    return found


def _program_of(service: Any, known: Mapping[str, str]) -> list[str]:
    if not isinstance(service, dict) or not service.get("command"):
        return []
    return [_expanded(word, known) for word in (*_split(service.get("entrypoint")), *_split(service["command"]))]


def _split(words: Any) -> list[str]:
    return [str(word) for word in words] if isinstance(words, list) else shlex.split(str(words or ""))


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


def _machine_of(path: Path, service: Mapping[str, Any], known: Mapping[str, str]) -> Mapping[str, Any]:
    program = _program_of(service, known)
    given = _environment(service.get("environment")).items()
    environment = {name: _as_it_is(_expanded(value, known)) for name, value in given}
    return {
        "program": [_as_it_is(word) for word in ("env", f"--chdir={path.resolve().parent}", *program)],
        "keeps": bool(service.get("volumes")),
        "environment": {"DISK": "{disk}", **environment},
    }


def variables_of(path: Path) -> Mapping[str, str]:
    """Those of a file like .env; none where there is no such file.

    :raises CannotRun: where it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{path} cannot be read: {error}") from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """With variables' values in their places, as Compose has it: ``$A``, ``${A}``, ``${A:-else}``, ``$$`` for a dollar.

    One that nobody has given is empty.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1] or match[3]) or match[2] or ""

    return VARIABLE.sub(value, text)


def _as_it_is(text: str) -> str:
    """A system file's words in braces mean nothing to whoever has written this."""
    return text.replace("{", "{brace}")


def _environment(given: Any) -> Mapping[str, str]:
    """A mapping, or a list of NAME=VALUE."""
    if isinstance(given, dict):
        return {str(name): "" if value is None else str(value) for name, value in given.items()}
    pairs: Sequence[Any] = given if isinstance(given, list) else []
    return dict(str(pair).partition("=")[::2] for pair in pairs)


def _name(name: str) -> str:
    """A host's name has no underscore."""
    return name.lower().replace("_", "-")
