"""How fast large pictures are: ``python -m tests.picture.speed [--page FILE]``.

One is of a simulated run with more than a thousand faults, one has eight thousand operations.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen
from playwright.sync_api import Browser, sync_playwright

from glitchgrid.lab.campaign.rendering import picture_of
from glitchgrid.lab.campaign.run import run_seed
from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.picture.page import as_page
from glitchgrid.lab.register.layout import Wanted
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS
from tests.picture.sample import MS, SAMPLE

SEED, FAULTS = "2", 1_000
OPERATIONS = 8_000
WATCHED_MS = 5_000

# What is done at each frame, and how many there are a second.
FRAMES = """
([act, watched_ms]) => new Promise((done) => {
  const it = document.querySelector(".picture").picture;
  const inAndOut = (number) => it.zoom(number % 80 < 40 ? 1.02 : 1 / 1.02);
  const acts = { play: () => {}, move: () => it.move(0.002), zoom: inAndOut };
  it.showAll();
  if (act === "play") it.seek(0), it.play();
  let frames = 0;
  const began = performance.now();
  const frame = () => {
    acts[act](frames);
    frames += 1;
    const took_ms = performance.now() - began;
    if (took_ms < watched_ms) requestAnimationFrame(frame);
    else it.pause(), done((frames * 1000) / took_ms);
  };
  requestAnimationFrame(frame);
})
"""


@frozen
class Measured:
    what: str
    size_bytes: int
    opens_s: float
    frames_per_s: dict[str, float]


def pictures() -> Iterator[tuple[str, Picture]]:
    result = run_seed(SEED, Wanted(vaults=3, controls=1).layout(SEED), keep_trace=True)
    faults = len(result.plan.faults)
    assert faults > FAULTS, "another seed is needed"
    run = picture_of(result, [])
    yield f"seed {SEED}: {faults:,} faults, {len(run.messages):,} messages, {len(run.trace):,} lines", run
    operations = [
        evolve(SAMPLE.operations[0], op=number, called_ns=7 * number * MS, returned_ns=(7 * number + 6) * MS)
        for number in range(OPERATIONS)
    ]
    yield f"{OPERATIONS:,} operations", evolve(SAMPLE, operations=operations)


def measure(browser: Browser, directory: Path, what: str, picture: Picture) -> Measured:
    path = directory / "picture.html"
    path.write_text(as_page(picture), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    began_s = time.monotonic()
    page.goto(path.as_uri())
    page.evaluate("new Promise(requestAnimationFrame)")
    opens_s = time.monotonic() - began_s
    frames = {act: float(page.evaluate(FRAMES, [act, WATCHED_MS])) for act in ("play", "move", "zoom")}
    page.close()
    return Measured(what, path.stat().st_size, opens_s, frames)


def table(measured: list[Measured]) -> Iterator[str]:
    yield "| picture | size, MB | opens in, s | frames a second while it plays | is moved | is zoomed |"
    yield "|---|---:|---:|---:|---:|---:|"
    for each in measured:
        frames = " | ".join(f"{each.frames_per_s[act]:.0f}" for act in ("play", "move", "zoom"))
        yield f"| {each.what} | {each.size_bytes / 1e6:.1f} | {each.opens_s:.1f} | {frames} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.picture.speed")
    parser.add_argument("--page", type=Path, help="write the table there, too")
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        measured = [measure(browser, Path(directory), what, picture) for what, picture in pictures()]
        browser.close()
    lines = "\n".join(table(measured))
    print(lines)
    if given.page is not None:
        given.page.write_text(
            "# How fast large pictures are\n\n"
            "Written by `.venv/bin/python -m tests.picture.speed --page docs/measured/picture-speed.md`, with Chromium"
            f" without a GPU, in a window of 1400 by 900.\n\n{lines}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
