"""Pictures of the live page, for the documentation: ``python -m tests.live.screenshots DIRECTORY``.

A real grid under load has lost a vault, and then does in simulation what was done to it. Writes live-light.png and
live-dark.png, and live-simulation.png, the two pictures.
"""

import json
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.live.grid import PATIENCE_S, Up
from tests.picture.browser import CHROMIUM, MISSING, OPTIONS

WIDTH, HEIGHT = 1280, 860
LOAD_S = 6
SLOW_MOTION = 30


def opened(page: Page, up: Up) -> None:
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(up.url)
    page.locator("#headline").get_by_text("Serving").wait_for()
    page.locator("#pace").fill(str(SLOW_MOTION))


def main(directory: Path) -> None:
    if CHROMIUM is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as scratch, Up(Path(scratch)) as up, sync_playwright() as playwright:
        up.wait()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        light, dark = (
            browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            for scheme in ("light", "dark")
        )
        for page in (light, dark):
            opened(page, up)
        light.locator("#load").select_option("4")
        light.wait_for_timeout(LOAD_S * 1000)
        light.locator("[data-name=vault3]").click()
        light.get_by_role("button", name="kill -9").click()
        for page in (light, dark):
            page.locator("#headline").get_by_text("2 of 3 vaults are up").wait_for()
        light.wait_for_timeout(LOAD_S * 1000)
        light.screenshot(path=directory / "live-light.png")
        dark.screenshot(path=directory / "live-dark.png")
        assert json.loads(up.do("start", name="vault3").text)
        dark.locator("#headline").get_by_text("All 3 vaults are up").wait_for()
        dark.keyboard.press("s")
        dark.locator("#verdict").get_by_text("In simulation").wait_for()
        dark.locator("#simulation svg.chart").wait_for()
        dark.locator("#pictures").screenshot(path=directory / "live-simulation.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
