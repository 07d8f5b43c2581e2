"""The record of a timeline's frames."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from glitchgrid.lab.composer.templates import Template
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.rehearsal import rehearsal
from glitchgrid.lab.rehearsal.rehearsal import RealTimeline, Wanted
from glitchgrid.lab.rehearsal.systemfile import read_system


class _Troubles(Watcher):
    def __init__(self) -> None:
        self.told: list[str] = []

    def trouble(self, what: str) -> None:
        self.told.append(what)


@pytest.mark.parametrize(("bytes_max", "told"), [(100, ["frames.pcap is full: 2 frames are not in it"]), (300, [])])
def test_that_it_is_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_max: int, told: list[str]
) -> None:
    monkeypatch.setattr(rehearsal, "PCAP_BYTES_MAX", bytes_max)
    file = tmp_path / "system.toml"
    file.write_text('[machines.a]\nprogram = "true"\n', encoding="utf-8")
    wanted = Wanted(read_system(file, {}), Template("none", ()), (), 1, 1.0, 1.0, False, False, record=True)
    troubles = _Troubles()
    timeline = RealTimeline(Clock(), wanted, tmp_path, [troubles])
    port: Any = None
    for _ in range(3):
        timeline.network.came(port, bytes(100))
    ended = Deferred.fromCoroutine(timeline._end_all())
    assert ended.called
    assert troubles.told == told
