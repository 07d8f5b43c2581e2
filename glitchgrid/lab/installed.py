"""Where the files lie that come with the package and are no part of it: the workload, the test templates."""

import sysconfig
from pathlib import Path

from glitchgrid.lab.errors import CannotRun


def find_installed(path: Path, what: str) -> Path:
    """A file or directory: in the checkout that this package runs from, or where a wheel has put it.

    :param path: below the checkout, and below ``share/glitchgrid``.
    :raises CannotRun: when it is in neither place.
    """
    checkout = Path(__file__).resolve().parents[2]
    schemes = [sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))]
    places = [checkout / path, *(Path(scheme) / "share" / "glitchgrid" / path for scheme in schemes)]
    for place in places:
        if place.exists():
            return place
    raise CannotRun(f"{what} not where it was installed: {places[1]}")
