"""Pictures of a picture, for the documentation: ``python -m tests.picture.screenshot PAGE STEM``.

Writes STEM.png, the whole run, and STEM-finding.png, dark, what led to the last finding.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.picture.browser import CHROMIUM, MISSING, OPTIONS

WIDTH, HEIGHT = 1280, 860
ALL = "(it => { it.seek(it.data.duration_ns); it.showAll(); })(document.getElementById('picture').picture)"
LAST_FINDING = "(it => it.goTo({finding: it.data.marks.length - 1}))(document.getElementById('picture').picture)"


def main(page_path: str, stem: str) -> None:
    if CHROMIUM is None:
        raise SystemExit(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        for scheme, suffix, act in (("light", "", ALL), ("dark", "-finding", LAST_FINDING)):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(Path(page_path).resolve().as_uri())
            page.evaluate(act)
            page.screenshot(path=f"{stem}{suffix}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
