"""The distribution's Chromium, as the tests and the documentation's pictures use it."""

import shutil
import time

from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no Chromium. On Debian: apt-get install chromium"
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

PATIENCE_S = 30.0


def wait_for(page: Page, condition: str) -> None:
    """Wait until a condition in JavaScript holds in a page, by asking again and again.

    Playwright's own wait evaluates text in the page, which a page that is hardened forbids once it has to look twice.
    """
    end_s = time.monotonic() + PATIENCE_S
    while not page.evaluate(f"Boolean({condition})"):
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {PATIENCE_S:g} s: {condition}")
        time.sleep(0.02)
