"""Can everybody use a page? axe-core's rules, in a real browser."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def complaints(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now, a line each: how bad it is, the rule, and the first place."""
    violations = Axe().run(page).response["violations"]
    return [f"{each['impact']}: {each['id']} at {each['nodes'][0]['html'][:200]}" for each in violations]
