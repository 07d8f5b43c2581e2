"""Metrics of a real grid: what was done to it is what they say, and the documentation names all of them."""

import re
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.end_to_end.processes import Server, Servers, ask, guarded, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


def samples(server: Server) -> Samples:
    answer = ask(server.port, path="/metrics")
    assert (answer.status, answer.headers["Content-Type"][:25]) == (200, "text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in prometheus(answer.body)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def documented(*sections: str) -> dict[str, tuple[str, set[str]]]:
    """The type and the labels of each metric in these sections of the page."""
    found: dict[str, tuple[str, set[str]]] = {}
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        section = line.removeprefix("## ") if line.startswith("## ") else section
        if line.startswith("| `") and section in sections:
            names, kind, labels, _ = (each.strip() for each in line.strip("|").split("|"))
            for name in re.findall(r"`([a-z_]+)`", names):
                found[name] = kind, set(re.findall(r"`([a-z]+)`", labels))
    return found


def told(server: Server) -> dict[str, tuple[str, set[str]]]:
    """The same of what a server tells: of those that it has counted something for."""
    answer = ask(server.port, path="/metrics")
    found = {}
    for family in prometheus(answer.body):
        if family.samples:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = family.type, labels
    return found


def test_what_was_done_is_counted(servers: Servers) -> None:
    grid = servers.grid()
    for number in range(1, 6):
        assert grid.write(number)[0] == 200
    assert grid.read() == (200, "5")
    assert grid.write(3)[0] == 400
    assert ask(grid.control.port, path="/nowhere").status == 404
    ask(grid.control.port, "BREW")
    assert ask(grid.control.port, "POST", "9" * 65).status == 413
    grid.wait_until_all_hold(5)
    control = samples(grid.control)
    assert value(control, "glitchgrid_http_requests_total", route="/", method="POST", status="200") == 5
    assert value(control, "glitchgrid_http_requests_total", route="/", method="POST", status="400") == 1
    assert value(control, "glitchgrid_http_requests_total", route="other", method="GET", status="404") == 1
    assert value(control, "glitchgrid_http_requests_total", route="/", method="other", status="405") == 1
    assert value(control, "glitchgrid_http_refused_total", status="413") == 1
    assert value(control, "glitchgrid_limit_hits_total", limit="body") == 1
    assert value(control, "glitchgrid_rounds_total", kind="write", outcome="committed") == 5
    assert value(control, "glitchgrid_round_operations_sum", kind="write") == 5
    assert value(control, "glitchgrid_writes_declined_total") == 1
    assert value(control, "glitchgrid_floor") == 5
    for vault in grid.vaults:
        assert value(control, "glitchgrid_vault_up", vault=vault.address) == 1
        stored = samples(vault)
        assert value(stored, "glitchgrid_value") == 5
        assert value(stored, "glitchgrid_stores_total", outcome="stored") >= 1
        assert value(stored, "glitchgrid_syncs_total") == value(stored, "glitchgrid_sync_duration_seconds_count") > 0
    first = grid.vaults[0]
    before = samples(first)
    assert guarded(first.port, 2).status == 412
    ask(first.port, "POST", "4")
    after = samples(first)
    assert value(after, "glitchgrid_stores_total", outcome="refused") == 1
    assert value(after, "glitchgrid_decreases_total") == value(before, "glitchgrid_decreases_total") + 1

    grid.vaults[2].kill()
    assert grid.write(6)[0] == 200
    lost = grid.vaults[2].address

    def is_down() -> bool:
        return value(samples(grid.control), "glitchgrid_vault_up", vault=lost) == 0

    wait_until(is_down, "control has seen that it is down")
    assert value(samples(grid.control), "glitchgrid_vault_rests_total", vault=lost, kind="store") >= 1


def test_the_documentation_names_each_of_them(servers: Servers) -> None:
    grid = servers.grid()
    grid.write(5)
    grid.write(4)
    ask(grid.control.port, "POST", "9" * 65)
    grid.wait_until_all_hold(5)
    for server, section in ((grid.control, "A control"), (grid.vaults[0], "A vault")):
        known = documented("Both servers", section)
        for name, (kind, labels) in told(server).items():
            assert known.get(name) == (kind, labels), name
        body = ask(server.port, path="/metrics").body
        for name in known:
            assert f"# TYPE {name} " in body, f"{name} is documented, and not told"


def test_openmetrics(servers: Servers) -> None:
    vault = servers.vault().restart()
    answer = ask(vault.port, headers={"Accept": "application/openmetrics-text; version=1.0.0"}, path="/metrics")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "glitchgrid_value" in {family.name for family in openmetrics(answer.body)}
