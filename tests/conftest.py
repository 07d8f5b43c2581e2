"""The order of the tests, skips, errors that nobody has handled, and signals that somebody has."""

import os
import signal
import unittest
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

LONGEST = frozenset(
    {
        "test_shown_commands",
        "test_rehearse_system",
        "test_rehearse",
        "test_test_commands",
        "test_test_command_glitches",
        "test_commands",
        "test_simulate",
    }
)
"""They run programs, and no reactor within the tests' own process."""

collect_ignore = ["services"]
"""What they test is in an environment of theirs: `make services` runs them there."""


@pytest.fixture(scope="session", autouse=True)
def homeless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands leave in the home of whoever runs them, they leave elsewhere meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: of what is run side by side nothing is left to wait for at the end.

    Then come trial's asynchronous test cases: pytest-twisted's reactor would look like their leavings.
    """
    items.sort(
        key=lambda item: (item.path.stem not in LONGEST, not (isinstance(item, pytest.Function) and _is_trials(item)))
    )


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
