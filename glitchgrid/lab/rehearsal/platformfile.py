"""What Antithesis's platform does not take of a Compose file: found without running anything.

The rules are those of its documentation on packaging: no internet and no shell of yours is there, and a service has one
name.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.rehearsal.otherfiles import services_of, variables_of

PLATFORM = "linux/amd64"
UNWANTED = ("logging", "pull_policy")
_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$(?:\{(\w+)([^}]*)\}|(\w+))")


def complaints_about(path: Path) -> list[str]:
    """Each in a line; none where the platform takes it.

    :raises CannotRun: for what is no Compose file, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        given = frozenset(variables_of(path.with_name(".env")))
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CannotRun(f"{path} is no text: {error}") from error
    data, services = services_of(path, text)
    return [*_of_the_whole(data, text, given), *(each for name in services for each in _of(name, services[name]))]


def _of_the_whole(data: Mapping[str, Any], text: str, given: frozenset[str]) -> Iterator[str]:
    if not data.get("name"):
        yield "there is no name at the top: the platform needs one"
    networks = data.get("networks") or {}
    for name, network in networks.items() if isinstance(networks, dict) else ():
        if isinstance(network, dict) and network.get("internal"):
            yield f"network {name}: internal is true, and faults need a way in"
    lines = (line.partition("#")[0] for line in text.splitlines())
    wanted = {match[1] or match[3]: match[2] or "" for line in lines for match in _VARIABLE.finditer(line)}
    for name, rest in sorted(wanted.items()):
        if name not in given and not rest.startswith((":-", "-")):
            yield f"${name} would have to come from a shell: give it in .env, beside the file"


def _of(name: str, service: Any) -> Iterator[str]:
    if not isinstance(service, dict):
        yield f"{name}: it is no service"
        return
    if not service.get("image"):
        yield f"{name}: there is no image; what is only built here the platform cannot have"
    if service.get("platform") != PLATFORM:
        yield f"{name}: platform is {service.get('platform')!r}, and not {PLATFORM!r}"
    if service.get("init") is not True:
        yield f"{name}: init is not true: nothing would take leave of processes that have ended"
    yield from _of_names(name, service.get("container_name"), service.get("hostname"))
    if not service.get("healthcheck"):
        yield f"{name}: there is no healthcheck, so that nobody can wait for it"
    yield from _of_dependencies(name, service.get("depends_on"))
    yield from (f"{name}: {unwanted} is the platform's to choose" for unwanted in UNWANTED if unwanted in service)


def _of_names(name: str, container: Any, host: Any) -> Iterator[str]:
    if container is None or container != host:
        yield f"{name}: container_name and hostname are {container!r} and {host!r}, and should be one name"
    if "_" in str(host or ""):
        yield f"{name}: hostname {host!r} has an underscore, which is in no host's name"


def _of_dependencies(name: str, wanted: Any) -> Iterator[str]:
    if isinstance(wanted, list):
        wanted = dict.fromkeys(map(str, wanted))
    if wanted is not None and not isinstance(wanted, dict):
        yield f"{name}: depends_on is {wanted!r}, and no services"
        return
    for other, how in (wanted or {}).items():
        condition = how.get("condition") if isinstance(how, dict) else None
        if condition != "service_healthy":
            yield f"{name}: it depends on {other} with {condition!r}, and not with 'service_healthy'"
