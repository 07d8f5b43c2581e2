"""Health, as an orchestrator asks for it: of real servers that lose each other and their disks."""

import shutil

from tests.end_to_end.processes import Server, Servers, ask, wait_until


def health(server: Server, query: str = "") -> tuple[int, int]:
    """What /livez and /readyz answer."""
    live, ready = (ask(server.port, path=f"/{each}{query}").status for each in ("livez", "readyz"))
    return live, ready


def test_a_grid_without_a_majority_restarts_nobody(servers: Servers) -> None:
    grid = servers.grid()
    grid.read()
    assert [health(each) for each in (grid.control, *grid.vaults)] == [(200, 200)] * 4
    lost = grid.vaults[1:]
    for vault in lost:
        vault.kill()
    assert health(grid.control) == (200, 503)
    answer = ask(grid.control.port, path="/readyz?verbose")
    assert answer.body == "[-]majority failed: a read has found no majority of the vaults\nreadyz check failed\n"
    assert health(grid.control, "?exclude=majority") == (200, 200)
    assert health(grid.vaults[0]) == (200, 200)
    for vault in lost:
        vault.start().wait_ready()
    wait_until(lambda: health(grid.control) == (200, 200), "control is ready again")


def test_a_vault_whose_disk_has_failed_is_live_and_not_ready(servers: Servers) -> None:
    vault = servers.vault().restart()
    shutil.rmtree(vault.data_dir)
    assert ask(vault.port, "POST", "5").status == 500
    assert health(vault) == (200, 503)
    answer = ask(vault.port, path="/readyz")
    assert answer.body == (
        "[+]open ok\n[-]disk failed: a sync has failed since the start\n[+]disk-thread ok\n[+]roster ok\n"
        "readyz check failed\n"
    )
    vault.kill()
    vault.data_dir.mkdir()
    vault.restart()
    assert health(vault) == (200, 200)
