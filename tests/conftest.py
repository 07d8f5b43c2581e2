"""The order of the tests, which of them are run, skips, and errors that nobody has handled."""

import os
import signal
import unittest
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="Those that are marked as thorough, too: they take long.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """trial's asynchronous test cases come first: pytest-twisted's reactor would look like their leavings."""
    # A test that was asked for by its name is run whatever it takes.
    if not config.getoption("--all") and not any("::" in each for each in config.args):
        thorough = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=thorough)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
    items.sort(key=lambda item: not (isinstance(item, pytest.Function) and _is_trials(item)))


def _is_trials(item: pytest.Function) -> bool:
    return item.cls is not None and issubclass(item.cls, unittest.TestCase)


_unhandled: list[str] = []


@provider(ILogObserver)
def _note_what_is_unhandled(event: LogEvent) -> None:
    text = formatEvent(event)
    if text.lower().startswith("unhandled error"):
        _unhandled.append(f"{text}\n{event['log_failure'].getTraceback() if 'log_failure' in event else ''}")


globalLogPublisher.addObserver(_note_what_is_unhandled)


@pytest.fixture(autouse=True)
def _nothing_is_unhandled() -> Iterator[None]:
    """Such an error is logged whenever what has failed is thrown away: its own test may be one that ran before."""
    yield
    told = "\n".join(_unhandled)
    _unhandled.clear()
    if told:
        pytest.fail(told, pytrace=False)


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    """A command that is run within a test ignores signals at its end, as if its process ended with it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Where CI is set everything that a test may need is there, so a skip is a failure."""
    report = (yield).get_result()
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI is set: {report.longrepr}"
    return report
