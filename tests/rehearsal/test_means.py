"""What a rehearsal does where the machine does not allow all of it."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from glitchgrid.commands.rehearsalview import Printer
from glitchgrid.commands.rehearsesystem import Settings, Stagehand
from glitchgrid.lab.errors import CannotRun
from glitchgrid.machines import clocks, means

SYSTEM = """
clocks = true
[machines.a]
program = "true"
keeps = true
"""
NO_FUSE = "mfusepy is missing: pip install 'glitchgrid[disks]'"
NO_CLOCKS = "clocks need the C part"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Where all is there."""
    for module, name in ((means, "missing_for_machines"), (means, "missing_for_disks"), (clocks, "missing")):
        monkeypatch.setattr(module, name, lambda: "")
    path = tmp_path / "system.toml"
    path.write_text(SYSTEM, encoding="utf-8")
    return Settings(path, {}, None, 1, 0, 1.0, None, False, False, None, 10.0)


def kinds(settings: Settings) -> set[str]:
    reactor: Any = None
    hand = Stagehand(reactor, settings, Printer(), [])
    hand.require_means()
    return {kind.kind for kind in hand.kinds()}


def test_where_all_is_there(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"kill", "cut", "power loss", "disk full", "clock jump"} <= kinds(settings)
    assert "here" not in capsys.readouterr().out


def test_without_clocks_the_others_go_on(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "missing", lambda: NO_CLOCKS)
    found = kinds(settings)
    assert {"kill", "cut", "power loss"} <= found
    assert not {"clock jump", "clock drift"} & found
    assert f"clocks do not jump nor drift here: {NO_CLOCKS}" in capsys.readouterr().out


def test_without_fuse_the_others_go_on(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(means, "missing_for_disks", lambda: NO_FUSE)
    found = kinds(settings)
    assert {"kill", "cut", "clock jump"} <= found
    assert not {"power loss", "disk full", "sync fails"} & found
    assert f"only kills are left: {NO_FUSE}" in capsys.readouterr().out


def test_disks_that_are_to_be_plain(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert not {"power loss", "disk full"} & kinds(evolve(settings, plain_disks=True))
    assert "here" not in capsys.readouterr().out, "it was asked for"


def test_without_machines_nothing_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(means, "missing_for_machines", lambda: "/dev/net/tun is missing; as root: modprobe tun")
    with pytest.raises(CannotRun, match=r"^/dev/net/tun is missing; as root: modprobe tun$"):
        kinds(settings)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("kernel/unprivileged_userns_clone", "0", "as root: sysctl kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "as root: sysctl user.max_user_namespaces=15000"),
        ("user/max_user_namespaces", "99", "no setting of the kernel forbids it; a container may do so"),
    ],
)
def test_the_cure_is_for_what_forbids_namespaces(tmp_path: Path, name: str, value: str, cure: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    assert means.cure_for_namespaces(tmp_path).startswith(cure)
