"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import PROTOCOLS, Servers


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
