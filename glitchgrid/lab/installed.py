"""Finds files that are installed beside the package: the workload, the test templates."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from glitchgrid.lab.errors import CannotRun

SHARE = Path("share") / "glitchgrid"


def find_installed(path: Path, what: str) -> Path:
    """A file or directory: in the checkout that this package runs from, or where its installer has put it.

    :param path: below the checkout, and below ``share/glitchgrid``.
    :raises CannotRun: when it is in neither place.
    """
    for place in _places():
        if (place / path).exists():
            return place / path
    raise CannotRun(f"{what} not where it was installed: {path} of this package is missing; install it again")


def _places() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[2]
    yield package
    yield package / SHARE  # pip install --target
    # Wherever else (a virtual environment, --user, --prefix): the installer has written it down.
    try:
        files = distribution("glitchgrid").files or ()
    except PackageNotFoundError:
        return
    for file in files:
        for above in Path(str(file.locate())).resolve().parents:
            if above.parts[-2:] == SHARE.parts:
                yield above
                return
