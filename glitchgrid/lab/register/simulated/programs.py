"""The product's two programs on machines of a simulated world: by their twistd command lines, as operators run them.

What looks into them is attached from outside, where their command lines make the servers: observers, and for exercises
what no option of theirs says.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

from glitchgrid import control_tap, vault_tap
from glitchgrid.control import control_service
from glitchgrid.errors import StartError
from glitchgrid.http.service import FaceService
from glitchgrid.lab.patching import patched
from glitchgrid.lab.place import here
from glitchgrid.lab.register.layout import CONTROL_PORT, VAULT_PORT
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.vault import vault_service

VAULT_TIMEOUT_S = 1.0
"""What `twistd control` has where its command line says nothing."""

DATA = "/data"
"""The data directory of each vault."""

VALUE = f"{DATA}/value"


def vault_arguments(peers: Sequence[str] = ()) -> Sequence[str]:
    """What comes behind ``twistd``.

    :param peers: the names or addresses of all vaults, for vaults with a roster. Whoever asks them without a list of
        vaults is let in: strangers and hands, whose rows of the wire's table know of none.
    """
    alone = "vault", "--port", str(VAULT_PORT), "--data-dir", DATA
    return (*alone, "--peers", _listed(peers), "--allow-unlisted") if peers else alone


def _listed(vaults: Sequence[str]) -> str:
    return ",".join(f"{vault}:{VAULT_PORT}" for vault in vaults)


def control_arguments(vaults: Sequence[str], protocol: str) -> Sequence[str]:
    """What comes behind ``twistd``.

    :param vaults: their names or addresses.
    """
    there = _listed(vaults)
    return "control", "--port", str(CONTROL_PORT), "--vaults", there, "--protocol", protocol


@frozen
class Attachment:
    """What is attached to the servers of one machine.

    :ivar served: is told of each server that is made there, and of its process.
    :ivar cannot_start: is told why one does not start. Its process is told, too.
    :ivar instead: arguments of the server that its command line does not have, by their names.
    """

    observer: Observer = UNOBSERVED
    served: Callable[[Any, Process], object] = lambda _service, _process: None
    cannot_start: Callable[[StartError], object] = lambda _error: None
    instead: Mapping[str, Any] = field(factory=dict)


Attachments = dict[str, Attachment]
"""By the names of machines."""


@contextmanager
def attached(attachments: Attachments) -> Iterator[None]:
    """Attach them to what is started until the end of the block."""
    # There, and not where they are defined: the options have imported them by their names.
    with (
        patched(vault_tap, "vault_service", _attaching(vault_service, attachments)),
        patched(control_tap, "control_service", _attaching(control_service, attachments)),
    ):
        yield


def _attaching(make: Callable[..., FaceService], attachments: Attachments) -> Callable[..., FaceService]:
    signature = inspect.signature(make)

    def make_attached(*arguments: Any, **options: Any) -> FaceService:
        process = here.installed().process()
        found = attachments.get(process.host.name)
        if found is None:
            return make(*arguments, **options)
        given = signature.bind(*arguments, **options).arguments
        fatal = given["fatal"]

        def cannot_start(error: StartError) -> None:
            found.cannot_start(error)
            fatal(error)

        service = make(**{**given, "fatal": cannot_start, "observer": found.observer, **found.instead})
        found.served(service, process)
        return service

    return make_attached
