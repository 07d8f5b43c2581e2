"""The live page of ``glitchgrid up --web``: who is let in, what can be done, and what a browser shows."""

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, sync_playwright

from glitchgrid.lab.web.door import BODY_BYTES_MAX
from glitchgrid.lab.web.pages import BODY_KEPT_BYTES_MAX, PAGES_MAX
from tests.end_to_end.processes import HOST, ask, guarded, wait_until
from tests.end_to_end.test_commands import free_ports_in_a_row
from tests.live.grid import GLITCHGRID, PATIENCE_S, Up
from tests.picture.accessibility import complaints
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS, wait_for

ENDS_S = 3.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    made = Up(tmp_path_factory.mktemp("up"))
    try:
        made.wait()
        yield made
    finally:
        made.process.kill()
        made.process.wait(PATIENCE_S)


@pytest.fixture
def grid(up: Up) -> Iterator[Up]:
    """As it was in the beginning, but for what it holds."""
    yield up
    assert up.do("load", per_s=0).status == 200
    assert up.do("reset").status == 200
    wait_until(lambda: not up.state()["degraded"], "all is well again")
    up.do("check anew")


def test_the_page_is_hardened(up: Up) -> None:
    page = up.get()
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    for name in (
        "live.js",
        "live.css",
        "picture.js",
        "picture.css",
        "glitches.json",
        "timeline.json",
        "timeline.html",
        "dots.js",
        "page.js",
        "round.js",
        "scenes.js",
    ):
        assert up.get(name).status == 200, name


def test_nobody_else_gets_in(up: Up) -> None:
    for path in ("/", "/wrong/", "/wrong/events", "/wrong/live.js", f"{up.path}nothing", f"{up.path}../up.py"):
        assert up.get(path).status == 404, path
    assert up.get("/wrong/do", "POST", "{}").status == 404
    assert up.get(Host="evil.example").status == 403
    assert up.get("do", "POST", '{"verb": "read"}', Origin="http://evil.example").status == 403
    own = f"http://{HOST}:{up.web_port}"
    assert up.get("do", "POST", '{"verb": "read"}', Origin=own).status == 200


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{", 400, "The body is no JSON"),
        ("5", 400, "The body is no JSON object"),
        ('{"verb": "explode"}', 400, "there is no 'explode'"),
        ('{"verb": "kill", "name": "vault9"}', 400, "there is no server 'vault9'"),
        ('{"verb": "kill"}', 400, "name is None, and no text"),
        ('{"verb": "empty", "name": "control"}', 400, "keeps nothing on a disk"),
        ('{"verb": "disk", "name": "vault1", "ill": "odd"}', 400, "no disk is 'odd'"),
        ('{"verb": "glitch", "name": "odd"}', 400, "there is no glitch 'odd'"),
        ('{"verb": "cut", "source": "vault1", "target": "vault2", "way": "both"}', 400, "there is no link between"),
        ('{"verb": "slow", "source": "control", "target": "vault1", "delay_s": 1e9}', 400, "a link takes from 0"),
        ('{"verb": "slow", "source": "control", "target": "vault1", "delay_s": "x"}', 400, "no number of seconds"),
        ('{"verb": "write", "value": 0}', 400, "a value is a number from 1"),
        ('{"verb": "write", "value": "5x"}', 400, "no whole number"),
        ('{"verb": "load", "per_s": 100000}', 400, "a load is from 0"),
        ('{"verb": "start", "name": "vault1"}', 400, "vault1 runs already"),
        ("[" * BODY_BYTES_MAX, 400, "The body is no JSON"),
        (
            '{"verb": "slow", "source": "control", "target": "vault1", "delay_s": 1%s}' % ("0" * 400),
            400,
            "delay_s is more than any number of seconds",
        ),
        ("[" * BODY_BYTES_MAX * 2, 413, "More than"),
    ],
)
def test_what_cannot_be_done_is_one_line(up: Up, body: str, status: int, said: str) -> None:
    got = up.get("do", "POST", body)
    assert got.status == status
    assert said in got.text
    assert len(got.text.splitlines()) == 1


def test_a_body_without_an_end_is_not_kept(up: Up) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        up.get("do", "POST", "[" * BODY_KEPT_BYTES_MAX * 2)


def test_servers_are_killed_stopped_and_started(grid: Up) -> None:
    assert json.loads(grid.do("write", value=50).text)["code"] == 200
    pid = grid.member("vault3")["pid"]
    assert json.loads(grid.do("kill", name="vault3").text)["command"] == f"kill -9 {pid}"
    wait_until(lambda: grid.state()["headline"].startswith("Serving 50. 2 of 3 vaults are up"), "the page says so")
    assert json.loads(grid.do("write", value=51).text)["code"] == 200
    grid.do("stop", name="vault2")
    wait_until(lambda: grid.state()["headline"].startswith("Not serving."), "nobody decides")
    undecided = json.loads(grid.do("write", value=52).text)
    assert undecided["code"] == 500
    assert "it may have happened" in undecided["means"]
    grid.do("go_on", name="vault2")
    assert grid.do("start", name="vault3").status == 200
    wait_until(lambda: grid.member("vault3").get("shown") == grid.state()["value"], "it has caught up")


def test_a_disk_that_is_emptied_is_taken_in_again(grid: Up) -> None:
    """What its vault had is held by the others, and by itself before it votes again."""
    value = int(grid.state()["value"]) + 1
    assert json.loads(grid.do("write", value=value).text)["code"] == 200
    identity = grid.member("vault1")["identity"]
    assert grid.do("empty", name="vault1").status == 200
    wait_until(lambda: grid.member("vault1").get("identity") not in {None, identity}, "it has another identity")
    wait_until(lambda: grid.member("vault1").get("phase") == "formed", "it votes again")
    wait_until(lambda: grid.member("vault1").get("shown") == value, "it holds what it had acknowledged")
    assert json.loads(grid.do("read").text)["text"] == str(value)


def test_what_lasts_in_the_timeline_ends(grid: Up) -> None:
    def open_faults() -> list[str]:
        told = json.loads(grid.get("timeline.json").text)
        last = [each for each in told["faults"] if each["end_ns"] >= told["duration_ns"]]
        return [f"{each['kind']} {' '.join(each['lanes'])}" for each in last]

    assert open_faults() == []
    grid.do("kill", name="vault1")
    grid.do("stop", name="vault2")
    grid.do("cut", source="control", target="vault3", way="both")
    grid.do("slow", source="control", target="vault3", delay_s=0.1)
    assert open_faults() == ["kill vault1", "stop vault2", "cut control vault3", "slow control vault3"]
    assert grid.do("restart", name="vault2").status == 200
    assert grid.do("disk", name="vault1", ill="slow").status == 200
    assert open_faults() == ["cut control vault3", "slow control vault3"]
    assert grid.do("reset").status == 200
    assert open_faults() == []


def test_links_are_cut_slowed_and_healed(grid: Up) -> None:
    for vault in ("vault1", "vault2"):
        assert grid.do("cut", source="control", target=vault, way="both").status == 200
    wait_until(lambda: not grid.state()["serves"], "control reaches no majority")
    wait_until(lambda: grid.member("vault1")["state"] == "up", "the vault itself is well")
    assert not grid.state()["serves"]
    for vault in ("vault1", "vault2"):
        grid.do("heal", source="control", target=vault)
    wait_until(lambda: grid.state()["serves"], "it serves again")
    assert grid.do("slow", source="clients", target="control", delay_s=0.2).status == 200
    assert json.loads(grid.do("read").text)["took_s"] > 0.4


def test_a_disk_that_fails(grid: Up) -> None:
    grid.do("disk", name="vault1", ill="failing")
    wait_until(lambda: grid.member("vault1")["state"] == "up", "it is up again")
    value = int(grid.state()["value"]) + 1
    assert json.loads(grid.do("write", value=value).text)["code"] == 200
    wait_until(lambda: grid.member("vault1")["disk_failed"], "its disk has failed")
    vaults = [f"{HOST}:{grid.port + number}" for number in (1, 2, 3)]
    assert guarded(grid.port + 1, value + 1, vaults).plain == (500, "Store failed")


def test_too_many_pages(up: Up) -> None:
    with ExitStack() as stack:
        for _ in range(PAGES_MAX):
            assert stack.enter_context(up.events()).status == 200
        refused = up.events()
        assert refused.status == 503
        assert "pages are open already" in refused.read().decode()
    wait_until(lambda: up.events().status == 200, "those that were closed make room")


def test_an_end_with_a_page_open(tmp_path: Path) -> None:
    made = Up(tmp_path)
    try:
        made.wait()
        with made.events() as events:
            events.readline()
            made.process.send_signal(signal.SIGINT)
            assert made.process.wait(ENDS_S) == 0
        assert "Traceback" not in made.said
        assert "nhandled" not in made.said
    finally:
        made.process.kill()


def test_a_demo_is_told_on_its_page_once_somebody_looks(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("w") as stream:
        process = subprocess.Popen([GLITCHGRID, "demo", "--web"], stdout=stream, stderr=stream)
    try:
        wait_until(lambda: "demo: the page: " in output.read_text(), "it says where the page is")
        found = re.search(r"the page: http://([^/]+)(/\S+/)", output.read_text())
        assert found
        assert "SIGSTOP" not in output.read_text(), "it waits for somebody"
        connection = http.client.HTTPConnection(found[1], timeout=PATIENCE_S)
        connection.request("GET", f"{found[2]}events")
        with connection.getresponse() as events:
            told = (line for line in iter(events.readline, b"") if b'"who": "story"' in line)
            assert b"of which vault3 is held up by SIGSTOP" in next(told)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 2
        assert "Traceback" not in output.read_text()
    finally:
        process.kill()


def test_a_port_in_use_is_named(up: Up) -> None:
    done = subprocess.run(
        [GLITCHGRID, "up", "--port", str(free_ports_in_a_row()), "--web-port", str(up.web_port)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 2
    assert done.stderr == f"glitchgrid: port {up.web_port} is in use: choose another --web-port\n"


@pytest.fixture
def page(grid: Up) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        shown = browser.new_page(viewport={"width": 1400, "height": 1000})
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.goto(grid.url)
        yield shown
        browser.close()
    assert [each for each in said if "400" not in each] == []


def test_a_press_is_seen_by_everyone(page: Page, grid: Up) -> None:
    headline = page.locator("#headline")
    headline.get_by_text("All 3 vaults are up").wait_for()
    page.locator("[data-name=vault3]").click()
    page.get_by_role("button", name="kill -9").click()
    headline.get_by_text("2 of 3 vaults are up; one more loss and writes stop.").wait_for()
    assert page.locator("#headline.warn").count() == 1
    page.get_by_text("kill vault3").first.wait_for()
    page.get_by_role("button", name="start", exact=True).click()
    headline.get_by_text("All 3 vaults are up").wait_for()
    assert grid.member("vault3")["pid"]


def test_a_line_of_the_log_leads_to_its_moment(page: Page, grid: Up) -> None:
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    grid.do("kill", name="vault1")
    page.locator("#headline").get_by_text("2 of 3 vaults are up").wait_for()
    page.locator("#log li", has_text="kill vault1").first.get_by_role("button").click()
    page.locator("#pause[aria-pressed=true]").wait_for()
    picture = "document.querySelector('#timeline').picture"
    kills = f"{picture}?.data.faults.filter(each => each.kind === 'kill').map(each => each.begin_ns)"
    wait_for(page, f"({kills})?.length")
    assert any(abs(begin - page.evaluate(f"{picture}.view.now")) < 100_000_000 for begin in page.evaluate(kills))
    page.locator("#pause").click()


def test_a_client_of_the_page(page: Page) -> None:
    page.locator("#headline").get_by_text("Serving").wait_for()
    page.locator("#value").fill("900")
    page.get_by_role("button", name="write", exact=True).click()
    page.locator("#answer").get_by_text("write 900: 200 Sent updates to 2/3 vaults").wait_for()
    page.locator("#round").get_by_text("the client is answered").wait_for()
    page.locator("#load").select_option("20")
    page.locator("#checker").get_by_text("linearizable so far").wait_for()
    page.locator("#timeline rect.operation").first.wait_for()


def test_who_has_a_write_in_time_and_who_late(page: Page, grid: Up) -> None:
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    grid.do("slow", source="control", target="vault3", delay_s=0.2)
    value = int(grid.state()["value"]) + 1
    answered = json.loads(grid.do("write", value=value).text)
    shown = page.locator("#round")
    shown.get_by_text("vault3 has it, late").wait_for()
    assert shown.inner_text().split("\n") == [
        f"write {value}:", "vault1 has it", "vault2 has it", "vault3 has it, late",
        f"the client is answered 200 {answered['text']}",
    ]  # fmt: skip


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_messages_are_dots_where_motion_is_wanted(
    page: Page, grid: Up, motion: Literal["no-preference", "reduce"]
) -> None:
    page.emulate_media(reduced_motion=motion)
    page.reload()
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    grid.do("hold", source="control", target="vault3", way="both")
    grid.do("write", value=int(grid.state()["value"]) + 1)
    page.locator("#round").get_by_text("vault3 asked").wait_for()
    drawn = """() => {
      const { width, height } = document.querySelector("#dots");
      return document.querySelector("#dots").getContext("2d").getImageData(0, 0, width, height).data.some(Boolean);
    }"""
    if motion == "reduce":
        assert not page.evaluate(drawn)
    else:
        wait_for(page, f"({drawn})()")


def test_what_was_done_is_done_in_simulation(page: Page, grid: Up) -> None:
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    page.keyboard.press("s")
    page.locator("#answer").get_by_text("nothing was done yet").wait_for()
    grid.do("kill", name="vault3")
    page.keyboard.press("s")
    page.locator("#verdict").get_by_text(re.compile(r"In simulation, 1 fault, \d+ operations: passed")).wait_for()
    wait_for(page, "document.querySelector('#simulation').picture")
    picture = "document.querySelector('#simulation').picture.data"
    assert page.evaluate(f"{picture}.faults.map(each => [each.kind, each.lanes])") == [["kill", ["vault3"]]]
    assert page.evaluate(f"{picture}.messages.length") > 100
    assert grid.get("simulation.html").headers["content-disposition"].startswith("attachment")
    again = page.locator("#again").inner_text()
    done = subprocess.run(
        [*shlex.split(again), "--quiet"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    page.get_by_role("button", name="close", exact=True).click()
    page.locator("#simulated").wait_for(state="hidden")


def test_a_page_that_opens_late_has_the_log(grid: Up) -> None:
    grid.do("kill", name="vault2")
    with grid.events() as events:
        for line in iter(events.readline, b""):
            if b"kill vault2" in line:
                break
        else:
            pytest.fail("the log does not come")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.locator("#headline").get_by_text("Serving").wait_for()
    page.locator("[data-link='control vault1']").press("Enter")
    page.get_by_role("button", name="cut both ways").click()
    page.locator("[data-link='control vault1'].cut").wait_for()
    page.keyboard.press("s")
    page.locator("#verdict").get_by_text("In simulation").wait_for()
    assert complaints(page) == []


def test_a_register_that_goes_back_is_seen_by_the_checker(page: Page, grid: Up) -> None:
    page.locator("#headline").get_by_text("Serving").wait_for()
    page.locator("#bugs").select_option("forget-on-restart")
    page.locator("#glitch").get_by_text("A bug is on, forget-on-restart").wait_for()
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    page.locator("#load").select_option("20")
    page.locator("#checker").get_by_text("linearizable so far").wait_for()
    grid.do("load", per_s=0)
    everyone = ("control", "vault1", "vault2", "vault3")  # control remembers what was committed
    for verb in ("kill", "start"):
        for name in everyone:
            assert grid.do(verb, name=name).status == 200
        if verb == "kill":
            wait_until(lambda: not any(each["pid"] for each in grid.state()["members"]), "all are gone")
    wait_until(lambda: grid.state()["serves"], "it serves again")
    assert json.loads(grid.do("read").text)["text"] == "0"
    page.locator("#checker.bad").wait_for(timeout=PATIENCE_S * 1000)
    assert "Not linearizable" in page.locator("#checker").inner_text()


def test_scenes_for_a_talk(page: Page, grid: Up) -> None:
    headline, scene = page.locator("#headline"), page.locator("#scene")
    headline.get_by_text("All 3 vaults are up").wait_for()
    page.keyboard.press("Space")
    scene.get_by_text("1. Lose some: vault3 is killed. 2 of 3 vaults are a majority: writes go on.").wait_for()
    headline.get_by_text("2 of 3 vaults are up").wait_for()
    page.keyboard.press("2")
    scene.get_by_text("2. Lose too many: vault2 and vault3 are killed. 1 of 3 vaults are no majority").wait_for()
    headline.get_by_text("Not serving").wait_for()
    page.keyboard.press("0")
    headline.get_by_text("All 3 vaults are up").wait_for()
    assert grid.state()["load"] == 0


def test_after_a_violation_the_checker_begins_anew(page: Page, grid: Up) -> None:
    page.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
    page.keyboard.press("4")
    page.locator("#checker.bad").wait_for(timeout=PATIENCE_S * 1000)
    page.keyboard.press("0")
    page.locator("#checker:not(.bad)").wait_for()
    wait_until(lambda: grid.state()["serves"], "it serves again")
    assert ask(grid.port, "POST", "5000").status == 200
    for _ in range(2):
        assert json.loads(grid.do("read").text)["text"] == "5000"
    assert grid.do("write", value=5001).status == 200
    page.locator("#checker").get_by_text("linearizable so far, 3 operations").wait_for()
    assert "1 value was written by others" in page.locator("#checker").inner_text()


def test_it_fits_a_phone_and_the_keyboard_is_enough(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.locator("#headline").get_by_text("Serving").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator("[data-link='control vault1']").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="cut both ways").focus()
    page.keyboard.press("Enter")
    page.locator("[data-link='control vault1'].cut").wait_for()
    page.keyboard.press("Escape")
    page.locator("body").evaluate("document.activeElement.blur()")
    page.keyboard.press("0")
    page.locator("[data-link='control vault1']:not(.cut)").wait_for()
