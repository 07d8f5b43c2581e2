"""The picture of a run in a browser: what it shows is what happened, and it can be moved through."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import evolve
from playwright.sync_api import Browser, Page, sync_playwright

from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.picture.model import Mark, Operation, Picture
from glitchgrid.lab.picture.page import as_page
from glitchgrid.lab.register.glitches import switched_on
from glitchgrid.lab.register.layout import GridLayout
from glitchgrid.lab.verdict import Verdict
from tests.picture.accessibility import complaints
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS, wait_for
from tests.picture.sample import MS, SAMPLE, crowded

NS_PER_S = 10**9
ROUNDING_PX = 0.6

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Shown:
    """A page with a picture, and what it has complained of, or asked the network for."""

    def __init__(
        self, browser: Browser, path: Path, picture: Picture, *, as_it_opens: bool = False, **options: Any
    ) -> None:
        path.write_text(as_page(picture), encoding="utf-8")
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page: Page = browser.new_page(**{"viewport": {"width": 1400, "height": 900}, **options})
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.clock.install(time=0)
        self.url = path.as_uri()
        self.page.goto(self.url)
        if not as_it_opens:
            whole = "it.view.now = it.data.duration_ns, it.view.chosen = null, it.found = -1"
            self.ask(f"({whole}, it.fold(false), it.showAll(), 0)")

    def stop_time(self) -> None:
        """It passes when it is told to, and not by itself."""
        self.page.clock.pause_at(3_600)

    def ask(self, expression: str) -> Any:
        """Of the picture, as `it`."""
        return self.page.evaluate(
            f"() => {{ const it = document.querySelector('.picture').picture; return {expression} }}"
        )

    def show(self, from_ns: int, to_ns: int) -> None:
        self.ask(f"it.show({from_ns}, {to_ns})")

    def clock_s(self) -> float:
        return float(self.page.locator(".clock").inner_text().removesuffix(" s"))

    def scale(self) -> Any:
        """Where a time is, by what is drawn: the frame of the drawing, and what the window is said to be."""
        left = float(self.page.locator("svg.chart clipPath rect").get_attribute("x") or "nan")
        right = float((self.page.locator("svg.chart").get_attribute("viewBox") or "").split()[2])
        from_ns, to_ns = self.ask("[it.view.from, it.view.to]")
        return lambda ns: left + (ns - from_ns) / (to_ns - from_ns) * (right - left)

    def drawn(self, selector: str) -> list[dict[str, str]]:
        """The attributes of elements of the drawing."""
        found: list[dict[str, str]] = self.page.eval_on_selector_all(
            f"svg.chart {selector}",
            "all => all.map(one => Object.fromEntries([...one.attributes].map(each => [each.name, each.value])))",
        )
        return found

    def close(self) -> None:
        self.page.close()
        assert self.complaints == []
        assert [url for url in self.asked if url != self.url and not url.startswith("data:")] == []


@pytest.fixture(scope="module")
def failing() -> Picture:
    """A real run with something wrong."""
    with switched_on("forget-on-restart"):
        for seed in map(str, range(30)):
            result = run_seed(seed, GridLayout(steps=8), keep_trace=True)
            if result.verdict is Verdict.VIOLATION and result.operations > 10:
                return picture_of(result, ["Again: glitchgrid simulate"])
    raise AssertionError("nothing fails")


@pytest.fixture
def shown(browser: Browser, failing: Picture, tmp_path: Path) -> Iterator[Shown]:
    shown = Shown(browser, tmp_path / "run.html", failing)
    yield shown
    shown.close()


@pytest.fixture
def sample(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    shown = Shown(browser, tmp_path / "sample.html", SAMPLE)
    yield shown
    shown.close()


def test_the_trace_beside_it_is_the_trace(shown: Shown, failing: Picture) -> None:
    lines: dict[int, str] = {}
    for number in range(0, len(failing.trace), 20):
        shown.ask(f"it.lines.element.scrollTop = {number} * 20")
        shown.ask("it.lines.render()")
        lines |= {
            int(number): text
            for number, text in shown.page.eval_on_selector_all(
                ".line", "all => all.map(one => [one.dataset.line, one.textContent])"
            )
        }
    assert sorted(lines) == list(range(len(failing.trace)))
    for number, (at_ns, who, what, meaning) in enumerate(failing.trace):
        words = [f"{at_ns / NS_PER_S:.6f} s", who, *([meaning] if meaning else []), what]
        assert lines[number] == " ".join(words)


def test_messages_and_operations_are_where_they_happened(shown: Shown, failing: Picture) -> None:
    first = failing.operations[0]
    shown.show(first.called_ns - 5 * MS, first.called_ns + 400 * MS)
    place = shown.scale()
    from_ns, to_ns = shown.ask("[it.view.from, it.view.to]")
    messages = {int(each["data-index"]): each for each in shown.drawn("line.message")}
    seen = [
        number
        for number, message in enumerate(failing.messages)
        if message.sent_ns <= to_ns
        and (message.lost_ns if message.arrived_ns is None else message.arrived_ns) >= from_ns
    ]
    assert sorted(messages) == seen
    assert seen
    tops = {name: (float(lane["y"]), float(lane["height"])) for name, lane in _lanes(shown, failing).items()}
    for number, drawn in messages.items():
        message = failing.messages[number]
        assert float(drawn["x1"]) == pytest.approx(place(message.sent_ns), abs=ROUNDING_PX)
        top, height = tops[message.source]
        assert top <= float(drawn["y1"]) <= top + height
        if message.arrived_ns is not None:
            assert float(drawn["x2"]) == pytest.approx(place(message.arrived_ns), abs=ROUNDING_PX)
            top, height = tops[message.target]
            assert top <= float(drawn["y2"]) <= top + height
    bars = {int(each["data-index"]): each for each in shown.drawn("rect.operation")}
    assert 0 in bars
    for number, bar in bars.items():
        operation = failing.operations[number]
        assert (operation.kind if operation.outcome == "ok" else operation.outcome) in bar["class"].split()
        if operation.called_ns >= from_ns:
            assert float(bar["x"]) == pytest.approx(place(operation.called_ns), abs=ROUNDING_PX)


def _lanes(shown: Shown, picture: Picture) -> dict[str, dict[str, str]]:
    names = shown.page.locator("svg.chart text.name").all_text_contents()
    assert names == [lane.name for lane in picture.lanes]
    return dict(zip(names, shown.drawn("rect.lane"), strict=True))


def test_stairs_faults_and_findings(sample: Shown) -> None:
    place = sample.scale()
    ribbons = sample.drawn("rect.fault")
    assert [(each["data-index"], "idle" in each["class"]) for each in ribbons] == [
        ("0", False),
        ("1", True),
        ("1", True),
    ]
    assert float(ribbons[0]["x"]) == pytest.approx(place(30_000 * MS), abs=ROUNDING_PX)
    assert float(ribbons[0]["width"]) == pytest.approx(place(40_000 * MS) - place(30_000 * MS), abs=ROUNDING_PX)
    durable = next(each for each in sample.drawn("path.stair.durable") if each["data-lane"] == "vault1")
    steps = [float(x) for x in re.findall(r"[MH]([\d.]+)", durable["d"])]
    for at_ns in (12 * MS, 50_000 * MS):
        assert min(abs(x - place(at_ns)) for x in steps) < ROUNDING_PX
    assert sample.page.locator("svg.chart .stair-text", has_text=str(2**63 - 1)).count() == 1
    (mark,) = sample.drawn("line.mark")
    assert float(mark["x1"]) == pytest.approx(place(14 * MS), abs=ROUNDING_PX)
    assert sample.page.locator(".findings").inner_text() == "invariant: a <write> was acknowledged"
    assert sample.page.locator("h1").inner_text() == "A </script><b>sample</b>"
    assert len(sample.drawn("rect.down")) == 1, "vault1 was down once"


def test_it_plays_and_pauses(sample: Shown) -> None:
    sample.stop_time()
    assert sample.clock_s() == 60, "all of it is there at first, and playing begins at the beginning"
    sample.page.get_by_label("Speed").select_option("3")
    sample.page.get_by_label("play or pause").click()
    sample.page.clock.run_for(2000)
    later = sample.clock_s()
    assert later == pytest.approx(6, abs=0.1), "three times as fast, for two seconds"
    sample.page.keyboard.press(" ")
    sample.page.clock.run_for(2000)
    assert sample.clock_s() <= later + 0.2
    assert sample.page.get_by_label("play or pause").inner_text() == "play"


def test_it_ends_at_the_end(sample: Shown) -> None:
    sample.page.get_by_label("Speed").select_option("10")
    sample.page.locator("svg.chart").focus()
    sample.page.keyboard.press("Home")
    sample.page.keyboard.press(" ")
    sample.page.clock.run_for(10_000)
    assert sample.clock_s() == 60
    assert sample.page.get_by_label("play or pause").inner_text() == "play"


def test_messages_on_their_way_are_shown_at_the_moment(sample: Shown) -> None:
    sample.show(9 * MS, 15 * MS)
    sample.ask(f"it.seek({11 * MS + MS // 2})")
    (flying,) = sample.drawn("circle.flying")
    (sent,) = [each for each in sample.drawn("line.message") if each["data-index"] == "1"]
    assert float(flying["cy"]) == pytest.approx((float(sent["y1"]) + float(sent["y2"])) / 2, abs=1)


def test_it_goes_line_by_line(sample: Shown) -> None:
    sample.page.locator("svg.chart").focus()
    sample.page.keyboard.press("Home")
    for at_ns, _, what, meaning in SAMPLE.trace[1:]:
        sample.page.keyboard.press("ArrowRight")
        assert sample.clock_s() == pytest.approx(at_ns / NS_PER_S)
        told = sample.page.locator(".details").inner_text()
        assert what in told
        assert meaning in told
        assert what in sample.page.locator(".line.current").inner_text()
    sample.page.keyboard.press("ArrowLeft")
    assert sample.clock_s() == pytest.approx(SAMPLE.trace[-2][0] / NS_PER_S)
    sample.page.locator(".line").nth(0).click()
    assert sample.clock_s() == 0


@pytest.mark.parametrize("span_ns", [60_000 * MS, 2 * MS, 10_000])
@pytest.mark.parametrize("width", [1400, 420])
def test_it_is_readable_at_any_scale(sample: Shown, span_ns: int, width: int) -> None:
    sample.page.set_viewport_size({"width": width, "height": 900})
    sample.show(10 * MS, 10 * MS + span_ns)
    ticks = sample.page.locator("svg.chart text.tick")
    texts = ticks.all_text_contents()
    assert 2 <= len(texts) == len(set(texts)) <= 16, texts
    boxes = [box for box in (tick.bounding_box() for tick in ticks.all()) if box]
    for left, right in pairwise(boxes):
        assert left["x"] + left["width"] < right["x"]
    assert sample.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"


def test_keys_zoom_and_find(sample: Shown) -> None:
    sample.page.locator("svg.chart").focus()
    sample.page.keyboard.press("v")
    from_ns, to_ns = sample.ask("[it.view.from, it.view.to]")
    assert 8 * MS < from_ns < 10 * MS, "around the write that shows it"
    assert 14 * MS < to_ns < 16 * MS
    assert "a <write> was acknowledged" in sample.page.locator(".details").inner_text()
    sample.page.keyboard.press("+")
    closer = sample.ask("it.view.to - it.view.from")
    assert closer < to_ns - from_ns
    sample.page.keyboard.press("Shift+ArrowRight")
    assert sample.ask("it.view.from") > from_ns
    assert sample.ask("it.view.to - it.view.from") == pytest.approx(closer)
    sample.page.keyboard.press("f")
    assert sample.ask("[it.view.from, it.view.to]") == [0, SAMPLE.duration_ns]


def test_pointing_tells(sample: Shown) -> None:
    sample.show(9 * MS, 15 * MS)
    sample.page.locator("line.near[data-index='2']").hover(force=True)
    tip = sample.page.locator(".tip").inner_text()
    assert tip.splitlines()[0] == "vault1 → control1: 412 9"
    assert "takes 1 ms" in tip
    sample.page.locator("rect.operation").first.click()
    assert "c1: write 7" in sample.page.locator(".details").inner_text()
    sample.page.mouse.move(700, 5)
    assert not sample.page.locator(".tip").is_visible()


def test_dragging_moves_and_chooses(sample: Shown) -> None:
    sample.show(10_000 * MS, 20_000 * MS)
    box = sample.page.locator("svg.chart").bounding_box()
    assert box is not None
    sample.page.mouse.move(box["x"] + 600, box["y"] + 60)
    sample.page.mouse.down()
    sample.page.mouse.move(box["x"] + 300, box["y"] + 60, steps=4)
    sample.page.mouse.up()
    assert sample.ask("it.view.from") > 12_000 * MS
    assert sample.ask("it.view.to - it.view.from") == pytest.approx(10_000 * MS)
    box = sample.page.locator("svg.overview").bounding_box()
    assert box is not None
    sample.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    sample.page.mouse.down()
    sample.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=4)
    sample.page.mouse.up()
    assert sample.ask("it.view.from") == pytest.approx(15_000 * MS, rel=0.02)
    assert sample.ask("it.view.to") == pytest.approx(30_000 * MS, rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Browser, tmp_path: Path, scheme: str) -> None:
    shown = Shown(browser, tmp_path / "page.html", SAMPLE, color_scheme=scheme)

    def brightness(selector: str, of: str) -> float:
        colour = shown.page.eval_on_selector(selector, f"one => getComputedStyle(one).{of}")
        red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
        return (2 * red + 5 * green + blue) / 8

    def contrast() -> float:
        return brightness(".picture", "color") - brightness(".picture", "backgroundColor")

    is_dark = scheme == "dark"
    assert contrast() > 150 if is_dark else contrast() < -150
    shown.page.get_by_label("light or dark").click()
    assert contrast() < -150 if is_dark else contrast() > 150
    shown.close()


COLOURS_BELOW = """([x, y, height]) => {
    const canvas = document.querySelector("canvas.dense");
    const scale = canvas.width / canvas.clientWidth;
    const { data } = canvas.getContext("2d").getImageData(x * scale, y * scale, 1, height * scale);
    return Array.from({ length: data.length / 4 }, (_, row) => data.slice(4 * row, 4 * row + 3).join(" "));
}"""


def test_a_crowd_is_on_a_canvas_until_one_looks_closer(browser: Browser, tmp_path: Path) -> None:
    shown = Shown(browser, tmp_path / "crowd.html", crowded(5000))
    canvas = shown.page.locator("canvas.dense")
    assert canvas.is_visible()
    assert shown.drawn("line.message") == shown.drawn("rect.operation") == []
    shown.show(0, 40 * MS)
    assert not canvas.is_visible()
    assert len(shown.drawn("line.message")) == 41
    shown.close()


def test_what_is_on_the_canvas_is_where_it_would_be_and_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    shown = Shown(browser, tmp_path / "crowd.html", crowded(5000))
    drawing = shown.page.locator("svg.chart")
    box = drawing.bounding_box()
    assert box is not None
    operation = SAMPLE.operations[1]
    top, height = shown.ask("(lane => [lane.top, lane.height])(it.chart.lanes.places.get('c1'))")
    x, y = shown.scale()(operation.called_ns) + 100, top + height / 2
    colours = shown.page.evaluate(COLOURS_BELOW, [x, top, height])
    assert colours[int(height / 2)] != colours[0], "it is drawn"
    shown.page.mouse.move(box["x"] + x, box["y"] + y)
    assert operation.text in shown.page.locator(".tip").inner_text()
    shown.page.mouse.click(box["x"] + x, box["y"] + y)
    assert shown.ask("it.view.chosen") == {"kind": "operations", "index": 1}
    message_x = shown.scale()(SAMPLE.duration_ns * 0.02)
    shown.page.mouse.move(box["x"] + message_x, box["y"] + top + height + 10)
    assert "POST 7" in shown.page.locator(".tip").inner_text()
    shown.close()


def test_eight_thousand_operations_are_a_page_of_less_than_five_megabytes() -> None:
    operations = [
        evolve(SAMPLE.operations[0], op=number, called_ns=7 * number * MS, returned_ns=(7 * number + 6) * MS)
        for number in range(8000)
    ]
    assert len(as_page(evolve(SAMPLE, operations=operations))) < 5_000_000


def test_finding_after_finding(browser: Browser, tmp_path: Path) -> None:
    first, second = SAMPLE.marks[0], Mark(30_000 * MS, "checker", "a read went back")
    shown = Shown(browser, tmp_path / "two.html", evolve(SAMPLE, marks=[first, second]))
    for mark in (first, second, first):
        shown.page.get_by_label("the finding").click()
        assert shown.clock_s() == pytest.approx(mark.at_ns / NS_PER_S)
        assert mark.text in shown.page.locator(".details").inner_text()
    shown.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Shown]:
    """The page as whoever opens it has it."""
    shown = Shown(browser, tmp_path / "opened.html", SAMPLE, as_it_opens=True)
    yield shown
    shown.close()


def test_it_opens_at_the_finding(opened: Shown) -> None:
    mark = SAMPLE.marks[0]
    from_ns, to_ns, now = opened.ask("[it.view.from, it.view.to, it.view.now]")
    assert from_ns <= mark.at_ns <= to_ns
    assert now == mark.at_ns
    assert to_ns - from_ns < SAMPLE.duration_ns
    assert mark.text in opened.page.locator(".details").inner_text()


def test_it_opens_where_both_operations_are_that_contradict_each_other(browser: Browser, tmp_path: Path) -> None:
    write = Operation("c1", 0, "write", "write 7", "", 1000 * MS, 1200 * MS, "ok", is_wrong=True)
    read = Operation("c1", 1, "read", "read 0", "", 2000 * MS, 2001 * MS, "ok", is_wrong=True)
    between = Operation("c1", 2, "read", "read 7", "", 1500 * MS, 1600 * MS, "ok")
    later = Operation("c1", 3, "read", "read 0", "", 3000 * MS, 3001 * MS, "ok", is_wrong=True)
    operations, marks = [write, between, read, later], [Mark(2001 * MS, "checker", "it went back")]
    shown = Shown(browser, tmp_path / "both.html", evolve(SAMPLE, operations=operations, marks=marks), as_it_opens=True)
    from_ns, to_ns = shown.ask("[it.view.from, it.view.to]")
    assert 500 * MS < from_ns < write.called_ns
    assert read.returned_ns < to_ns < later.called_ns
    shown.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(opened: Shown, scheme: Literal["light", "dark"]) -> None:
    opened.page.emulate_media(color_scheme=scheme)
    assert complaints(opened.page) == []


def test_places_are_addresses(opened: Shown) -> None:
    opened.page.evaluate("location.hash = '#t=0.002,0.004'")
    wait_for(opened.page, "document.querySelector('.picture').picture.view.from === 2e6")
    assert opened.ask("it.view.to") == 4 * MS
    opened.page.evaluate("location.hash = '#t=0.003'")
    wait_for(opened.page, "document.querySelector('.picture').picture.view.now === 3e6")
    opened.page.locator(".findings a").first.click()
    assert opened.page.evaluate("location.hash") == "#finding=1"
    assert opened.ask("it.view.now") == SAMPLE.marks[0].at_ns
    opened.ask("it.goToLine(2)")
    there = opened.page.evaluate("location.hash")
    at_ns = SAMPLE.trace[2].at_ns
    assert there == f"#t={at_ns / NS_PER_S:.9f}".rstrip("0")
    for nonsense in ("#t=x", "#t=-1", "#t=5,2,1", "#finding=0", "#%"):
        opened.page.evaluate(f"location.hash = '{nonsense}'")
    assert opened.ask("it.view.now") == at_ns


def test_keys_work_at_once(opened: Shown) -> None:
    opened.page.keyboard.press("f")
    assert opened.ask("[it.view.from, it.view.to]") == [0, SAMPLE.duration_ns]
    opened.page.keyboard.press("v")
    assert opened.ask("it.view.now") == SAMPLE.marks[1 % len(SAMPLE.marks)].at_ns


def test_operations_are_found_by_their_values(opened: Shown) -> None:
    wanted = next(each for each in SAMPLE.operations if re.search(r"\d", each.text))
    value = re.findall(r"\d+", wanted.text)[-1]
    opened.page.keyboard.press("/")
    opened.page.keyboard.type(value)
    opened.page.keyboard.press("Enter")
    chosen = opened.ask("it.view.chosen")
    assert chosen["kind"] == "operations"
    found = SAMPLE.operations[chosen["index"]]
    assert value in re.findall(r"\d+", f"{found.text} {found.detail}")
    opened.page.locator(".sought").fill("987654")
    opened.page.keyboard.press("Enter")
    assert "No operation has to do with 987654" in opened.page.locator(".details").inner_text()


def test_kinds_of_faults_are_told_apart_and_left_out(opened: Shown) -> None:
    opened.page.keyboard.press("f")
    kinds = {fault.kind for fault in SAMPLE.faults}
    fills = {each["fill"] for each in opened.drawn("rect.fault")}
    assert len(fills) == len(kinds)
    before = len(opened.drawn("rect.fault"))
    opened.page.locator(".kinds summary").click()
    chips = opened.page.locator(".kind")
    assert chips.count() == len(kinds)
    chips.first.click()
    assert chips.first.get_attribute("aria-pressed") == "false"
    assert len(opened.drawn("rect.fault")) < before
    chips.first.click()
    assert len(opened.drawn("rect.fault")) == before


def test_rests_are_folded(opened: Shown) -> None:
    """Between the first operation and the next one half a minute goes by."""
    opened.page.keyboard.press("f")
    assert opened.ask("it.axis.are_folded")
    bands = opened.drawn(".fold rect")
    assert len(bands) == opened.ask("it.axis.rests.length") > 1
    first, second = (float(each["x"]) for each in opened.drawn("rect.operation"))
    width = opened.ask("it.chart.width - it.chart.gutter")
    opened.page.keyboard.press("r")
    assert opened.drawn(".fold rect") == []
    assert [float(each["x"]) for each in opened.drawn("rect.operation")] == [
        pytest.approx(opened.scale()(each.called_ns), abs=ROUNDING_PX) for each in SAMPLE.operations
    ]
    unfolded = opened.scale()(SAMPLE.operations[1].called_ns) - opened.scale()(SAMPLE.operations[0].called_ns)
    assert unfolded == pytest.approx(width / 2, rel=0.01), "half of the run"
    assert second - first < unfolded
    for ns in (0, 13 * MS, 20_000 * MS, 30_500 * MS, SAMPLE.duration_ns):
        opened.ask("it.axis.folds(true)")
        assert opened.ask(f"it.axis.time(it.axis.place({ns}))") == pytest.approx(ns, abs=1)
