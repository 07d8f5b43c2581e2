"""The report in a browser: its tables, and a picture for each timeline, with nothing asked of a network."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from glitchgrid.commands.report import report_on
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.report.page import as_page
from tests.picture.accessibility import complaints
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

PROPERTY = "control: a commit has the votes of more than half of all"


def timeline(directory: Path, read: int) -> None:
    """A timeline in which 5 was acknowledged, and then this was read."""
    (directory / "history").mkdir(parents=True)
    with (directory / "history" / "1.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        recorder = Recorder(stream, itertools.count(0, 10**6).__next__)
        recorder.write_ok(recorder.call_write("writer-c0", 5))
        recorder.read_ok(recorder.call_read("reader-c0"), read)
    broken = {"hit": True, "condition": False, "message": PROPERTY, "details": {"votes": 1}}
    (directory / "sdk.jsonl").write_text(json.dumps({"antithesis_assert": broken}) + "\n")
    call = {"command": "anytime_look.py", "end": "failed", "status": 1, "began_ns": 0, "ended_ns": 10**6}
    (directory / "calls.jsonl").write_text(json.dumps(call | {"words": ["it is wrong"]}) + "\n")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    timeline(tmp_path / "run" / "timeline-1", 5)
    timeline(tmp_path / "run" / "timeline-2", 0)
    path = tmp_path / "report.html"
    path.write_text(as_page(report_on(tmp_path / "run")), encoding="utf-8")
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        shown = browser.new_page(viewport={"width": 1400, "height": 900})
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
        shown.goto(path.as_uri())
        yield shown
        browser.close()
    assert said == []


def test_what_failed_stands_first_with_its_details(page: Page) -> None:
    rows = page.locator("#properties ~ details tbody tr")
    assert rows.count() > 40
    assert rows.first.inner_text().split("\t")[:2] == [PROPERTY, "always"]
    assert '{"votes": 1}' in rows.first.inner_text()
    folded = page.locator("#properties ~ details:not([open]) summary").all_inner_texts()
    assert all(each.endswith(" passed") for each in folded), "what holds is folded away"


def test_everybody_can_use_it(page: Page) -> None:
    assert complaints(page) == []


def test_the_headline(page: Page) -> None:
    assert page.locator(".headline").inner_text() == (
        "Something is wrong: one property does not hold; one test command has failed; one history contradicts itself."
    )


def test_it_fits_a_narrow_window(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_commands_and_histories(page: Page) -> None:
    assert "it is wrong" in page.locator("#commands + table").inner_text()
    histories = page.locator("#runs + table tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in histories] == [
        ["timeline-1", "linearizable"],
        ["timeline-2", "not linearizable"],
    ]


def test_each_timeline_is_drawn_when_it_is_asked_for(page: Page) -> None:
    """The first that is shown is one with something wrong in it."""

    def operations() -> list[str]:
        data = page.evaluate("() => document.querySelector('.picture').picture.data.operations.map(each => each.text)")
        return [str(text) for text in data]

    assert page.locator("nav button[aria-pressed=true]").inner_text() in {"timeline-1", "timeline-2"}
    for name, read in (("timeline-2", "read 0"), ("timeline-1", "read 5"), ("timeline-2", "read 0")):
        page.get_by_role("button", name=name).click()
        assert page.locator("nav button[aria-pressed=true]").inner_text() == name
        assert operations() == ["write 5", read]
        assert page.locator("svg.chart").count() == 1
