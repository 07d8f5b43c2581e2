"""A real Prometheus that scrapes a real grid, with the rules that the project has."""

import json
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.end_to_end.processes import HOST, Grid, Servers, free_port, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
PROMETHEUS = shutil.which("prometheus")
ANSWER_S = 5
ALERT_S = 90
"""Until an alert fires: 15 s for itself, and what a busy machine adds."""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is missing. On Debian: apt-get install prometheus"),
]


class Prometheus:
    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self._port = port
        self.process = process

    def asked(self, query: str) -> list[tuple[dict[str, str], float]]:
        """What it answers to a query just now; nothing while it does not answer."""
        url = f"http://{HOST}:{self._port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return [(each["metric"], float(each["value"][1])) for each in result]


@pytest.fixture
def grid(servers: Servers) -> Grid:
    made = servers.grid()
    made.write(5)
    made.wait_until_all_hold(5)
    return made


@pytest.fixture
def prometheus(grid: Grid, tmp_path: Path) -> Iterator[Prometheus]:
    """The project's own configuration, with this grid's addresses, and once a second."""
    settings = YAML(typ="safe").load(DEPLOY / "prometheus.yml")
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(DEPLOY / "glitchgrid.rules.yml")]
    control, vaults = settings["scrape_configs"][0]["static_configs"]
    control["targets"] = [grid.control.address]
    vaults["targets"] = [vault.address for vault in grid.vaults]
    path = tmp_path / "prometheus.yml"
    YAML(typ="safe").dump(settings, path)
    port = free_port()
    command = [
        str(PROMETHEUS),
        f"--config.file={path}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            yield Prometheus(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(ANSWER_S)
            except subprocess.TimeoutExpired:
                process.kill()


def test_what_it_sees_of_a_grid_that_loses_its_majority(grid: Grid, prometheus: Prometheus) -> None:
    wait_until(lambda: len(prometheus.asked('up{job="glitchgrid"} == 1')) == 4, "all four servers are scraped")
    assert [value for _, value in prometheus.asked("glitchgrid_floor")] == [5]
    assert [value for _, value in prometheus.asked("glitchgrid_value")] == [5] * 3
    assert prometheus.asked("ALERTS") == []
    for vault in grid.vaults[1:]:
        vault.kill()
    grid.read()
    firing = 'ALERTS{alertname="GlitchgridNoMajority",alertstate="firing"}'
    (alert, _) = wait_until(lambda: prometheus.asked(firing), "the alert fires", ALERT_S)[0]
    assert (alert["severity"], alert["instance"]) == ("critical", grid.control.address)
    for vault in grid.vaults[1:]:
        vault.restart()
    grid.read()
    wait_until(lambda: not prometheus.asked(firing), "the alert ends")
