"""What a person sees in a terminal, whatever its size."""

import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_commands import free_ports_in_a_row
from tests.terminal import Terminal

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
PATIENCE_S = 60
VAULTS, CONTROLS = 15, 4
HEADLINE = "All 15 vaults are up"


@pytest.fixture
def up() -> Terminal:
    port = free_ports_in_a_row(VAULTS + CONTROLS)
    return Terminal(80, 24, GLITCHGRID, "up", f"--vaults={VAULTS}", f"--controls={CONTROLS}", f"--port={port}")


def test_a_large_grid_in_a_terminal_of_any_size(up: Terminal) -> None:
    with up as terminal:
        terminal.look_until(lambda shown: "Starting" in shown, PATIENCE_S)
        terminal.look_until(lambda shown: HEADLINE in shown, PATIENCE_S)
        for columns, rows in ((80, 24), (60, 24), (40, 12), (120, 50)):
            terminal.resize(columns, rows)
            terminal.look_until(lambda shown: HEADLINE in shown.splitlines()[0], PATIENCE_S)
            said = "\n".join(terminal.lines)
            assert "control1" in said, "as many as there is room for, the controls first"
            assert max(map(len, terminal.lines)) <= columns
        terminal.look_until(lambda shown: all(f"vault{number + 1}" in shown for number in range(VAULTS)), PATIENCE_S)
        terminal.interrupt()
        assert terminal.process.wait(PATIENCE_S) == 0
