"""The report: what it makes of the SDK's output, of calls, of histories, of a campaign, and of what is none."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from antithesis.catalog import scan_source, write

from glitchgrid.commands.report import report_on, status_of
from glitchgrid.lab.composer.calls import CALLS, End
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.picture.model import LaneKind
from glitchgrid.lab.properties import Standing
from glitchgrid.lab.report.page import as_page
from glitchgrid.lab.report.rendering import picture_of
from glitchgrid.lab.report.report import Report
from glitchgrid.lab.report.words import lines_of

STATED = """
from antithesis.assertions import always, reachable, sometimes, unreachable
always(x, "it holds")
sometimes(x, "it happens")
reachable("it is reached")
unreachable("it is not reached")
"""


def evaluated(text: str, condition: bool, **details: Any) -> dict[str, Any]:
    return {"antithesis_assert": {"hit": True, "condition": condition, "message": text, "details": details}}


def write_lines(path: Path, *lines: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def a_call(name: str = "anytime_look.sh", end: End = End.PASSED, began_ns: int = 100, *words: str) -> dict[str, Any]:
    return {"command": name, "end": end, "status": 0, "began_ns": began_ns, "ended_ns": began_ns + 50, "words": words}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where four properties are in the catalogue, and two of them have been seen to hold."""
    write(scan_source(STATED, "mine.py"), tmp_path / "catalog.json")
    write_lines(tmp_path / "sdk.jsonl", evaluated("it holds", True), evaluated("it happens", True))
    return tmp_path


def standings(report: Report) -> dict[str, Standing]:
    return {each.property.text: each.standing for each in report.stated}


def record(directory: Path, *values: int, read: int | None = None) -> None:
    """A history of writes that were acknowledged, one after another, and of a read."""
    history = directory / "history"
    history.mkdir(parents=True)
    with (history / "1.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        recorder = Recorder(stream, itertools.count(1000, 10).__next__)
        for value in values:
            recorder.write_ok(recorder.call_write("writer-c0", value))
        if read is not None:
            recorder.read_ok(recorder.call_read("reader-c0"), read)


def test_what_is_in_the_catalogue_and_not_in_the_output_was_never_hit(directory: Path) -> None:
    report = report_on(directory)
    assert standings(report) == {
        "it holds": Standing.PASSED,
        "it happens": Standing.PASSED,
        "it is reached": Standing.NEVER_HIT,
        "it is not reached": Standing.PASSED,
    }
    assert status_of(report, require_reach=False) == 0


def test_what_was_never_hit_counts_where_that_is_asked_for(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        status_of(report_on(directory), require_reach=True)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "glitchgrid: never hit: it is reached\n"


def test_what_failed_comes_first_with_the_first_examples_details(directory: Path) -> None:
    write_lines(directory / "sdk.jsonl", evaluated("it holds", True), evaluated("it holds", False, at=3))
    write_lines(directory / "timeline-1" / "sdk.jsonl", evaluated("it holds", False, at=4))
    report = report_on(directory)
    first = report.stated[0]
    assert (first.property.text, first.standing, first.details) == ("it holds", Standing.FAILED, {"at": 3})
    assert status_of(report, require_reach=False) == 1
    text = "\n".join(line for line, _ in lines_of(report))
    assert 'failed  it holds (always, mine.py:3); first: {"at": 3}' in text


def test_what_only_ever_happened_not_to_hold_was_never_hit(directory: Path) -> None:
    write_lines(directory / "sdk.jsonl", evaluated("it happens", False), evaluated("it is not reached", False))
    assert standings(report_on(directory))["it happens"] is Standing.NEVER_HIT
    assert standings(report_on(directory))["it is not reached"] is Standing.FAILED


def test_declarations_and_other_events_are_no_evidence(directory: Path) -> None:
    declared = {"antithesis_assert": {"hit": False, "condition": False, "message": "it holds"}}
    setup = {"antithesis_setup": {"status": "complete", "details": {}}}
    write_lines(directory / "sdk.jsonl", declared, setup, {"antithesis_guidance": {}}, {"mine": {"x": 1}})
    report = report_on(directory)
    assert standings(report)["it holds"] is Standing.NEVER_HIT
    assert report.ready == 1


@pytest.mark.parametrize("torn", ['{"antithesis_assert": {"hit": tr', '{"antithesis_assert": {"hit": true}}'])
def test_a_torn_last_line_counts_as_not_there(directory: Path, torn: str) -> None:
    with (directory / "sdk.jsonl").open("a") as file:
        file.write(torn)
    assert standings(report_on(directory))["it holds"] is Standing.PASSED


@pytest.mark.parametrize(
    ("end", "status"),
    [(End.PASSED, 0), (End.STOPPED, 0), (End.FAILED, 1), (End.BROKE, 2), (End.NEVER_ENDED, 2)],
)
def test_how_commands_ended(directory: Path, end: End, status: int) -> None:
    write_lines(directory / CALLS, a_call(), a_call("eventually_look.sh", end, 100, "what it said"))
    report = report_on(directory)
    assert status_of(report, require_reach=False) == status
    lines = [line for line, _ in lines_of(report)]
    assert "anytime_look.sh: 1 passed" in lines
    assert f"eventually_look.sh: 1 {end}" in lines
    assert ("    what it said" in lines) == (status != 0)


def test_the_historys_verdict(directory: Path) -> None:
    record(directory / "timeline-1", 3, 5, read=5)
    record(directory / "timeline-2", 3, 5, read=3)
    report = report_on(directory)
    verdicts = [(each["part"], each["verdict"]) for each in report.as_json()["histories"]]
    assert verdicts == [
        (directory.name, "cannot say"),
        ("timeline-1", "linearizable"),
        ("timeline-2", "not linearizable"),
    ]
    assert status_of(report, require_reach=False) == 1


def test_by_what_runs_fail_alike(directory: Path) -> None:
    assert report_on(directory).signs == []
    write_lines(directory / "sdk.jsonl", evaluated("it holds", False, at=3))
    write_lines(directory / "timeline-1" / CALLS, a_call("a.sh", End.FAILED), a_call("b.sh", End.BROKE))
    assert report_on(directory).signs == ["property 'it holds'", "test command a.sh"]
    record(directory / "timeline-1", 5, read=3)
    assert report_on(directory).signs[-1] == "history"


def test_a_campaign(directory: Path) -> None:
    """Its runs' properties count with the others; its violations are one."""
    campaign: dict[str, Any] = {
        "verdicts": {"passed": 2, "violation": 0},
        "violations": [],
        "stated": [["it is reached", True, 7]],
    }
    (directory / "campaign.json").write_text(json.dumps(campaign))
    report = report_on(directory)
    assert standings(report)["it is reached"] is Standing.PASSED
    assert status_of(report, require_reach=True) == 0
    campaign["verdicts"] = {"passed": 1, "violation": 1}
    campaign["violations"] = [{"seed": "4", "oracle": "checker", "message": "went back", "replay": "run it"}]
    campaign["about"] = {"date": "some day"}
    (directory / "campaign.json").write_text(json.dumps(campaign))
    report = report_on(directory)
    assert status_of(report, require_reach=False) == 1
    assert [line for line, _ in lines_of(report)][:7] == [
        "Something is wrong: one cause of failure in 1 of 2 runs.",
        "  date: some day",
        "one cause of failure, in 1 of 2 runs:",
        "",
        "checker: went back",
        "  in one of 2 runs, seed 4",
        "  run it",
    ]


def test_a_run_that_failed_is_a_violation_whatever_its_history_says(directory: Path) -> None:
    """An oracle that looks inside has found something that no client has seen."""
    found = [{"seed": seed, "oracle": "invariant", "message": "fell", "replay": f"run {seed}"} for seed in ("9", "10")]
    campaign = {"verdicts": {"passed": 8, "violation": 2}, "violations": found, "stated": []}
    (directory / "campaign.json").write_text(json.dumps(campaign))
    record(directory / "made", 5, read=5)
    history = (directory / "made" / "history" / "1.jsonl").read_bytes()
    for seed in (9, 10):
        (directory / f"seed-{seed}.history.jsonl").write_bytes(history)
        (directory / f"seed-{seed}.plan.json").write_text("{}")
    report = report_on(directory)
    runs = [part for part in report.parts if part.plan is not None]
    assert [part.name for part in runs] == ["seed-9", "seed-10"]
    assert {report.verdict_of(part) for part in runs} == {("violation", "invariant: fell")}
    told = [line for line, _ in lines_of(report)]
    assert "run of seed-9: violation: invariant: fell" in told
    assert report.as_json()["histories"][-1] == {"part": "seed-10", "verdict": "violation", "why": "invariant: fell"}
    asked: list[str] = []
    page = as_page(report, lambda part: asked.append(part.name))
    assert asked == ["seed-9"], "the first of each cause is drawn from its plan"
    assert "run 10" in page


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("sdk.jsonl", "no JSON\n", "sdk.jsonl: line 1 is no output of the SDK"),
        ("sdk.jsonl", "[1]\n", "sdk.jsonl: line 1 is no output of the SDK"),
        pytest.param("sdk.jsonl", "9" * 1_000_001, "sdk.jsonl: line 1 is no output of the SDK", id="a long line"),
        ("calls.jsonl", '{"command": "x"}\n', "calls.jsonl: line 1 is not what it should be"),
        ("faults.jsonl", "[]\n", "faults.jsonl: line 1 is not what it should be"),
        ("timeline.jsonl", "{}\n", "timeline.jsonl: line 1 is not what it should be"),
        ("campaign.json", "{}", "campaign.json is not what simulate has written"),
        ("catalog.json", "no JSON\n", "catalog.json is no catalogue"),
        ("history/1.jsonl", "no JSON\n", "line 1: it is not JSON"),
    ],
)
def test_what_is_not_what_it_should_be_is_said_in_one_line(
    directory: Path, name: str, content: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(CannotRun) as error:
        report_on(directory)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == "", "the SDK's own complaints would be in the way of --json"


@pytest.mark.parametrize(
    ("text", "has_commands"),
    [("vault: guarded stores never lower the value", False), ("test: the vaults differ", True)],
)
def test_without_a_catalogue_beside_it_this_installations_counts(tmp_path: Path, text: str, has_commands: bool) -> None:
    """What the test commands state was not missed where none was called."""
    write_lines(tmp_path / "sdk.jsonl", evaluated(text, True))
    known = standings(report_on(tmp_path))
    assert known[text] is Standing.PASSED
    assert known["control: a decrease is refused"] is Standing.NEVER_HIT
    assert ("test: a decrease is refused" in known) is has_commands


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_a_directory_without_output(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRun, match=r"has no output in it|is no directory"):
        report_on(tmp_path / name)


def test_the_picture_has_clients_servers_and_faults(directory: Path) -> None:
    timeline = directory / "timeline-1"
    record(timeline, 3, 5, read=3)
    about = {"template": "register", "seed": 1, "glitch": None, "members": ["control1", "vault1"]}
    about |= {"keepers": ["vault1"]}
    write_lines(timeline / "timeline.jsonl", about)
    write_lines(timeline / "calls.jsonl", a_call("parallel_driver_look.sh", End.FAILED, 900, "it is wrong"))
    killed = {"kind": "kill", "members": ["vault1"], "began_ns": 1010, "ended_ns": 1030}
    paused = {"kind": "pause", "members": ["control1"], "began_ns": 1010, "ended_ns": 1030}
    write_lines(timeline / "faults.jsonl", killed, paused)
    lives = (("control1", 900, 1050), ("vault1", 900, 1010), ("vault1", 1030, 1050))
    write_lines(
        timeline / "lives.jsonl",
        *({"server": server, "from_ns": from_ns, "to_ns": to_ns} for server, from_ns, to_ns in lives),
    )
    (part,) = [part for part in report_on(directory).parts if part.name == "timeline-1"]
    picture = picture_of(part)
    assert [(lane.name, lane.kind) for lane in picture.lanes] == [
        ("reader 1", LaneKind.CLIENT),
        ("writer 1", LaneKind.CLIENT),
        ("control1", LaneKind.SERVER),
        ("vault1", LaneKind.KEEPER),
    ]
    assert [(life.lane, life.from_ns, life.to_ns) for life in picture.lives] == [
        ("control1", 0, 150),
        ("vault1", 0, 110),
        ("vault1", 130, 150),
    ]
    assert [each.text for each in picture.operations if each.is_wrong] == ["write 5", "read 3"]
    assert [(mark.oracle, mark.at_ns) for mark in picture.marks] == [("checker", 150), ("test command", 50)]
    assert [line.what for line in picture.trace][:2] == [
        "parallel_driver_look.sh begins",
        "parallel_driver_look.sh failed: it is wrong",
    ]


def test_the_picture_has_what_was_seen_of_real_servers(directory: Path) -> None:
    """Their lives are not what follows from faults: a cut ends no process."""
    timeline = directory / "timeline-1"
    (timeline / "history").mkdir(parents=True)
    events: list[dict[str, object]] = [
        {"process": 0, "type": kind, "f": function, "value": value, "time": at_ns}
        for kind, function, value, at_ns in (
            ("invoke", "add", 7, 1000),
            ("ok", "add", 7, 1010),
            ("invoke", "read", None, 1020),
            ("ok", "read", [], 1030),
        )
    ]
    write_lines(timeline / "history" / "1.jsonl", *events)
    about = {"template": "set", "seed": 1, "glitch": None, "members": ["db"], "history": "set", "keepers": []}
    write_lines(timeline / "timeline.jsonl", about)
    cut = {"kind": "cut", "members": ["db"], "began_ns": 1000, "ended_ns": 1030, "text": "Cut(source='db')"}
    write_lines(timeline / "faults.jsonl", cut)
    write_lines(timeline / "lives.jsonl", {"server": "db", "from_ns": 500, "to_ns": 1020})
    write_lines(
        timeline / "said.jsonl",
        {"at_ns": 500, "server": "db", "line": "before all"},
        {"at_ns": 1010, "server": "db", "line": "ready"},
    )
    write_lines(
        timeline / "sent.jsonl",
        {"source": "clients", "target": "db", "sent_ns": 1005, "arrived_ns": None, "text": "GET / HTTP/1.1"},
    )
    (part,) = [part for part in report_on(directory).parts if part.name == "timeline-1"]
    picture = picture_of(part)
    assert [(each.text, each.kind, each.is_wrong) for each in picture.operations] == [
        ("add 7", "write", True),
        ("read []", "read", True),
    ]
    assert [lane.name for lane in picture.lanes if lane.name in {"clients", "db"}] == ["clients", "db"]
    begin_ns = 1000
    assert [(life.from_ns, life.to_ns) for life in picture.lives] == [(0, 1020 - begin_ns)]
    assert [fault.text for fault in picture.faults] == ["Cut(source='db')"]
    assert [(each.source, each.target, each.sent_ns, each.arrived_ns) for each in picture.messages] == [
        ("clients", "db", 1005 - begin_ns, None)
    ]
    assert [(line.at_ns, line.what) for line in picture.trace if line.who == "db"] == [(1010 - begin_ns, "ready")]


def test_whoever_a_fault_was_done_to_has_a_lane(directory: Path) -> None:
    """Clients whose links were cut, and who have sent nothing that was seen: the page has nowhere else to draw it."""
    timeline = directory / "timeline-1"
    timeline.mkdir()
    about = {"template": "set", "seed": 1, "glitch": None, "members": ["db"], "history": "set", "keepers": []}
    write_lines(timeline / "timeline.jsonl", about)
    write_lines(timeline / "calls.jsonl", a_call("parallel_driver_add.py", End.PASSED, 900))
    cut = {"kind": "cut", "members": ["clients", "db"], "began_ns": 1000, "ended_ns": 1030, "text": ""}
    write_lines(timeline / "faults.jsonl", cut)
    (part,) = [part for part in report_on(directory).parts if part.name == "timeline-1"]
    picture = picture_of(part)
    assert {name for fault in picture.faults for name in fault.lanes} <= {lane.name for lane in picture.lanes}


def test_operations_at_one_time_have_lanes_of_their_own(directory: Path) -> None:
    history = directory / "history"
    history.mkdir()
    with (history / "1.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        recorder = Recorder(stream, itertools.count(1).__next__)
        first, second = recorder.call_read("reader-c0"), recorder.call_read("reader-c1")
        recorder.read_ok(first, 0)
        recorder.read_ok(recorder.call_read("reader-c5"), 0)
        recorder.read_ok(second, 0)
    (part,) = report_on(directory).parts
    assert [each.lane for each in picture_of(part).operations] == ["reader 1", "reader 2", "reader 1"]


def test_the_page_escapes_what_others_have_said(directory: Path) -> None:
    write_lines(directory / "sdk.jsonl", evaluated("it holds", False, said="</script><b>"))
    write_lines(directory / CALLS, a_call("anytime_look.sh", End.FAILED, 100, "<i>what</i> it said"))
    page = as_page(report_on(directory))
    assert "<i>" not in page
    assert "</script><b>" not in page
    assert "&lt;i&gt;what&lt;/i&gt; it said" in page
