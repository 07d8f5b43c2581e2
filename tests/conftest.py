"""The order of the tests, and skips."""

import os
import unittest
from collections.abc import Generator
from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """trial's asynchronous test cases come first: pytest-twisted's reactor would look like their leavings."""
    items.sort(key=lambda item: not (isinstance(item, pytest.Function) and _is_trials(item)))


def _is_trials(item: pytest.Function) -> bool:
    return item.cls is not None and issubclass(item.cls, unittest.TestCase)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Where CI is set everything that a test may need is there, so a skip is a failure."""
    report = (yield).get_result()
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI is set: {report.longrepr}"
    return report
