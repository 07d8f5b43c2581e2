"""What the servers write down by Antithesis's SDK, as on its platform: here into a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.lab.register.properties import of_servers
from tests.end_to_end.processes import Servers, ask, wait_until

VAULTS = 3


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is written: servers that are started from now on find it in their environment."""
    path = tmp_path / "sdk.jsonl"
    monkeypatch.setenv("ANTITHESIS_SDK_LOCAL_OUTPUT", str(path))
    return path


def written(output: Path) -> list[dict[str, Any]]:
    if not output.exists():
        return []
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def setups(output: Path) -> list[Any]:
    return [line["antithesis_setup"] for line in written(output) if "antithesis_setup" in line]


def test_setup_is_complete_once_when_control_really_serves(output: Path, servers: Servers) -> None:
    vaults = [servers.vault() for _ in range(VAULTS)]
    vaults[0].restart()
    control = servers.control([vault.address for vault in vaults]).restart()
    assert ask(control.port).status == 500
    assert setups(output) == [], "it listens, and a majority is still missing"
    vaults[1].restart()
    wait_until(lambda: setups(output), "setup is complete")
    assert ask(control.port).plain == (200, "0")
    vaults[2].restart()
    for value in range(1, 20):
        assert ask(control.port, "POST", str(value)).status == 200
    assert setups(output) == [{"status": "complete", "details": {"protocol": "atomic", "vaults": VAULTS}}]


def test_properties_are_written_down_and_all_of_them_are_in_the_catalogue(output: Path, servers: Servers) -> None:
    vaults = [servers.vault().restart() for _ in range(VAULTS)]
    control = servers.control([vault.address for vault in vaults]).restart()
    for value in range(1, 10):
        assert ask(control.port, "POST", str(value)).status == 200
        assert ask(control.port).plain == (200, str(value))
    assert ask(control.port, "POST", "3").status == 400
    lines = [line["antithesis_assert"] for line in written(output) if "antithesis_assert" in line]
    said = {line["message"] for line in lines if line["hit"]}
    assert said <= {each.text for each in of_servers()}
    assert {
        "control: a commit has the votes of more than half of all",
        "control: a decrease is refused",
        "control: a write is answered 200 only when more than half of the vaults have it",
        "vault: guarded stores never lower the value",
        "vault: what it says that it holds is what it shows",
    } <= said
    broken = [line["message"] for line in lines if line["assert_type"] == "always" and not line["condition"]]
    assert broken == []
