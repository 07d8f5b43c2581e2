"""A grid that is hurt all the time keeps its history and its memory: for half a minute here, for an hour by hand."""

from pathlib import Path

import pytest

from tests.soak import soak

MINUTES = 0.5


@pytest.mark.thorough
def test_a_grid_that_is_hurt_all_the_time(tmp_path: Path) -> None:
    soaked = soak(tmp_path, MINUTES, 2, lambda _line: None)
    assert not list(soaked.problems())
    assert soaked.strikes > 3
    assert soaked.operations > 500
