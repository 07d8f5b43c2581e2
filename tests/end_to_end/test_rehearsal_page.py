"""The page of ``glitchgrid rehearse --system FILE --web``: real machines are broken by hand, and so once more."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from playwright.sync_api import Page, sync_playwright

from glitchgrid.machines import means
from tests.end_to_end.processes import wait_until
from tests.end_to_end.test_rehearse_system import ROOT, nothing_is_left, toy
from tests.picture.accessibility import complaints
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS, wait_for

pytestmark = pytest.mark.skipif(bool(means.missing_for_links()), reason=means.missing_for_links())

SYSTEM = """
[machines.web]
program = ["{python}", "-m", "http.server", "80", "--bind", "{address}"]
ready = "http://{address}:80/"
[machines.idle]
program = "sleep 1000"
"""
COMMANDS = {
    "templates/toy/parallel_driver_ask": """
python3 -c 'import urllib.request as u; u.urlopen("http://web/", None, 1)' 2> /dev/null
sleep 0.3"""
}


@frozen
class Rehearsing:
    process: "subprocess.Popen[str]"
    url: str
    out: Path

    def get(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> tuple[int, str]:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}events", timeout=20) as events:
            assert events.readline() == b"event: state\n"
            told: dict[str, Any] = json.loads(events.readline().removeprefix(b"data: "))
            return told

    def machine(self, name: str) -> str:
        return next(str(each["state"]) for each in self.state()["machines"] if each["name"] == name)


@pytest.fixture
def rehearsing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rehearsing]:
    """Its parameter is for how many minutes; 0.4 else."""
    minutes = getattr(request, "param", 0.4)
    system = toy(tmp_path, SYSTEM, **COMMANDS)
    (tmp_path / "plan.json").write_text('{"plan": 2, "faults": []}', encoding="utf-8")
    options = ["--plan", tmp_path / "plan.json", "--timelines", 1, "--minutes", minutes, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "glitchgrid", "rehearse", "--system", system, *options, "--web"]
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"live: (http://\S+)\n", process.stdout.readline())
            assert found is not None
            made = Rehearsing(process, found[1], tmp_path / "out")
            wait_until(lambda: "operations a second" in made.state()["headline"], "servers serve")
            yield made
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert nothing_is_left(tmp_path)


def test_what_is_done_by_hand_can_be_done_again(rehearsing: Rehearsing) -> None:
    """A kill and a cut, as a shell would ask for them; nobody else gets in; the plan has them at the end."""
    assert rehearsing.get("do", {"verb": "fault", "kind": "kill", "machine": "web", "for_ms": 1500}) == (200, "{}")
    wait_until(lambda: rehearsing.machine("web") == "down", "it is down")
    wait_until(lambda: rehearsing.machine("web") == "up", "it is up again")
    cut = {"verb": "fault", "kind": "cut", "source": "clients", "target": "web", "for_ms": 1000}
    assert rehearsing.get("do", cut) == (200, "{}")
    links = {(each["source"], each["target"]): each["cut"] for each in rehearsing.state()["links"]}
    assert links["web", "clients"] == ["back"]
    assert rehearsing.get("do", {"verb": "fault", "kind": "rain", "for_ms": 1})[0] == 400
    assert rehearsing.get("do", cut, Origin="http://evil.example")[0] == 403
    assert rehearsing.get("", Host="evil.example")[0] == 403
    assert rehearsing.get("timeline.json?s=10")[0] == 200
    rehearsing.process.wait(60)
    made = json.loads((rehearsing.out / "timeline-1" / "plan.json").read_text(encoding="utf-8"))
    assert [each["kind"] for each in made["faults"]] == ["kill", "cut"]


@pytest.fixture
def page(rehearsing: Rehearsing) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        try:
            opened = browser.new_page()
            opened.set_default_timeout(20_000)
            errors: list[str] = []
            opened.on("pageerror", lambda error: errors.append(str(error)))
            opened.goto(rehearsing.url)
            yield opened
            assert errors == []
        finally:
            browser.close()


@pytest.mark.parametrize("rehearsing", [5], indirect=True)
def test_a_browser_shows_it_and_asks_for_it(page: Page, rehearsing: Rehearsing) -> None:
    page.locator("#headline").get_by_text("operations a second").wait_for()
    page.locator("#lasts").select_option("60000")
    page.locator("[data-name=idle]").press("Enter")
    page.locator("#chosen").get_by_role("button", name="pause", exact=True).click()
    page.locator("[data-name=idle]").get_by_text("stands still").wait_for()
    page.locator("[data-link='web clients']").press("Enter")
    page.locator("#chosen").get_by_role("button", name="cut clients → web").click()
    page.locator("[data-link='web clients']").get_by_text("cut to web").wait_for()
    assert complaints(page) == []
    page.locator("#going").get_by_role("button", name="end Pause(machine='idle')").click()
    page.locator("[data-name=idle]").get_by_text("up", exact=True).wait_for()
    wait_for(page, "document.querySelector('#timeline').picture")
    page.locator("#log").get_by_text("over: pause idle").wait_for()
    rehearsing.process.terminate()
    page.locator("#headline").get_by_text("The rehearsal has ended").wait_for()
