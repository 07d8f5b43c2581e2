"""Fixtures of the end-to-end tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import PROTOCOLS, Servers
from tests.end_to_end.scenarios import Rig


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Makes servers that are gone when the test is, and whose logs must be without tracebacks."""
    with Servers(tmp_path) as made:
        yield made
        assert made.bugs() == []


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol in turn, for what is the register's under all of them."""
    name: str = request.param
    return name


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[[str | None], Rig]]:
    """Makes a grid for test commands, with a glitch or without; it is gone when the test is."""
    made: list[Servers] = []

    def make(glitch: str | None) -> Rig:
        servers = Servers(tmp_path, glitch)
        made.append(servers)
        timeline = tmp_path / "timeline"
        timeline.mkdir()
        return Rig(servers.__enter__(), timeline, glitch)

    yield make
    for servers in made:
        servers.__exit__(None, None, None)
