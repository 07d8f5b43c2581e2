"""How many frames a second the live page draws, and what it keeps: ``python -m tests.live.speed``.

A real grid of fifteen vaults, a real browser. With --minutes it goes on for as long, and prints every five minutes
what the page and its server hold. With --page FILE the first table is written there, too.
"""

import argparse
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen
from playwright.sync_api import Page, sync_playwright

from tests.live.grid import Up
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS

VAULTS = 15
LOADS_PER_S = (0, 4, 20, 100)
LEFT_OPEN_PER_S = 20
MEASURED_S = 10
WARM_UP_S = 3
TOLD_EVERY_MIN = 5
MIB = 1 << 20

COUNT = """
() => {
  window.counted = { frames: 0, messages: 0, longest_ms: 0 };
  let last = performance.now();
  const frame = (at) => {
    counted.frames += 1;
    counted.longest_ms = Math.max(counted.longest_ms, at - last);
    last = at;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new EventSource("events").addEventListener("messages", (event) => {
    const { messages, more } = JSON.parse(event.data);
    counted.messages += messages.filter((each) => each.arrived_s === null).length + more / 2;
  });
}
"""
"""Every message is told twice: when it is sent, and when it has arrived."""


@frozen
class Measured:
    load_per_s: int
    messages_per_s: float
    frames_per_s: float
    longest_ms: float


def measure(page: Page, load_per_s: int) -> Measured:
    page.locator("#load").select_option(str(load_per_s))
    page.wait_for_timeout(WARM_UP_S * 1000)
    page.evaluate("Object.assign(counted, { frames: 0, messages: 0, longest_ms: 0 })")
    began_s = time.monotonic()
    page.wait_for_timeout(MEASURED_S * 1000)
    counted: dict[str, Any] = page.evaluate("counted")
    took_s = time.monotonic() - began_s
    return Measured(load_per_s, counted["messages"] / took_s, counted["frames"] / took_s, float(counted["longest_ms"]))


def rows(measured: list[Measured]) -> Iterator[str]:
    yield "| operations a second | messages a second | frames a second | longest frame, ms |"
    yield "|---:|---:|---:|---:|"
    for each in measured:
        yield (f"| {each.load_per_s} | {each.messages_per_s:,.0f} | {each.frames_per_s:.0f} | {each.longest_ms:.0f} |")


def held(page: Page, pid: int) -> str:
    """What the page has, and its server."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / MIB
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    session.detach()
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    resident = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
    return f"{heap:.1f} | {nodes:,} | {resident:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live.speed")
    parser.add_argument("--minutes", type=int, default=0, help="go on for so long, with 20 operations a second")
    parser.add_argument("--page", type=Path, help="write the table there, too")
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as directory, Up(Path(directory), VAULTS) as up, sync_playwright() as playwright:
        up.wait()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(up.url)
        page.locator("#headline").get_by_text("Serving").wait_for()
        page.evaluate(COUNT)
        lines = list(rows([measure(page, each) for each in LOADS_PER_S]))
        print("\n".join(lines), flush=True)
        if given.minutes:
            page.locator("#load").select_option(str(LEFT_OPEN_PER_S))
            head = ["", "| minute | the page's heap, MiB | its nodes | its server, MiB |", "|---:|---:|---:|---:|"]
            lines += head
            print("\n".join(head), flush=True)
        for minute in range(1, given.minutes + 1):
            page.wait_for_timeout(60_000)
            if minute % TOLD_EVERY_MIN:
                continue
            lines.append(f"| {minute} | {held(page, up.process.pid)} |")
            print(lines[-1], flush=True)
        browser.close()
    if given.page is not None:
        given.page.write_text(text(lines, given.minutes), encoding="utf-8")


def text(lines: list[str], minutes: int) -> str:
    where = f"Python {platform.python_version()}, Chromium without a GPU, on one machine with the grid"
    return (
        "# How fast the live page is\n\n"
        f"Written by `.venv/bin/python -m tests.live.speed --minutes {minutes} --page docs/measured/live-page.md`.\n\n"
        f"A page of 1400 by 900, {VAULTS} vaults, a control; {where}. The second table is of the same page, left"
        f" open with {LEFT_OPEN_PER_S} operations a second.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
