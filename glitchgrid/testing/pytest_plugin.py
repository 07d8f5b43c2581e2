"""For pytest: the options of simulated tests. Installed with the package, it does nothing where there are none."""

import os
from collections.abc import Iterator

import pytest

from glitchgrid.testing import settings
from glitchgrid.testing.errors import SimulationFailed, WorldError
from glitchgrid.testing.settings import Options


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("glitchgrid", "simulated tests (glitchgrid.testing)")
    group.addoption("--sim-seed", metavar="SEED", help="run simulated tests at this seed only")
    group.addoption("--sim-seeds", metavar="COUNT", type=int, help="run so many seeds, whatever the tests say")
    group.addoption("--sim-plan", metavar="FILE", help="run this plan, in place of what a seed draws")
    group.addoption("--sim-no-shrink", action="store_true", help="tell of a failing seed as it is")
    group.addoption("--sim-shrink", action="store_true", help="make the plan of --sim-plan smaller, too")
    group.addoption("--sim-html", metavar="FILE", help="draw the failing run as a page")
    group.addoption("--sim-jobs", metavar="COUNT", type=int, default=1, help="run so many seeds at one time")
    group.addoption("--sim-check", action="store_true", help="run each seed twice, the second time elsewhere")


def pytest_configure(config: pytest.Config) -> None:
    """:raises pytest.UsageError: for what can't be."""
    try:
        options = _options(config)
    except WorldError as error:
        raise pytest.UsageError(str(error)) from error
    before = settings.use(options)
    config.add_cleanup(lambda: _restore(before))


def _options(config: pytest.Config) -> Options:
    from_here = Options(
        seed=config.getoption("--sim-seed"),
        seeds=config.getoption("--sim-seeds"),
        plan=config.getoption("--sim-plan"),
        shrink=not config.getoption("--sim-no-shrink"),
        shrink_plan=config.getoption("--sim-shrink"),
        html=config.getoption("--sim-html"),
        jobs=config.getoption("--sim-jobs"),
        check=config.getoption("--sim-check"),
    )
    return settings.from_environment() if from_here == Options() else from_here


def _restore(before: Options | None) -> None:
    settings.use(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tests tell how they are run again: by their names here."""
    before = settings.use(settings.with_replay(settings.current(), f"pytest {_shown(item)}"))
    failed = ""
    try:
        return (yield)
    except (SimulationFailed, WorldError) as error:
        failed = str(error)
    finally:
        settings.use(before)
    pytest.fail(failed, pytrace=False)  # what there is to say is in it, and no frame of ours says more


def _shown(item: pytest.Item) -> str:
    path = os.path.relpath(item.path)
    name = item.nodeid.partition("::")[2]
    return f"{path}::{name}"
