"""Ctrl-C while a campaign's seeds are waited for: no lock is left taken, and whoever runs them can go on and end."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from threading import Condition, Thread
from typing import Any

import pytest

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.campaign import run_campaign
from glitchgrid.lab.campaign.tasks import Task
from glitchgrid.lab.campaign.workers import Workers
from glitchgrid.lab.register.layout import GridLayout

ENDS_S = 10


class _Struck:
    """A lock in whose taking a signal comes, right when it is taken."""

    def __init__(self) -> None:
        self._condition = Condition()
        self.was_struck = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._condition, name)

    def __enter__(self) -> bool:
        return self._condition.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._condition.__exit__(*raised)  # type: ignore[arg-type]

    def acquire(self, *arguments: Any) -> bool:
        taken = self._condition.acquire(*arguments)
        if not self.was_struck:
            self.was_struck = True
            signal.raise_signal(signal.SIGINT)
        return taken


class _Futures(Executor):
    """:param on_submit: what happens in the middle of taking a task."""

    def __init__(self, make: Callable[[], "Future[Any]"], on_submit: Callable[[], object]) -> None:
        self._make = make
        self._on_submit = on_submit
        self.begun = 0
        self.taken: list[Future[Any]] = []

    def submit(self, *_arguments: Any, **_options: Any) -> "Future[Any]":
        self.begun += 1
        self._on_submit()
        self.taken.append(self._make())
        return self.taken[-1]


class _Workers(Workers):
    count = 1

    def __init__(self, executor: _Futures) -> None:
        self._executor = executor
        self.were_broken_off = False

    def executor(self) -> Executor:
        return self._executor

    def break_off(self) -> None:
        self.were_broken_off = True


@pytest.fixture(autouse=True)
def _heeded_as_commands_do(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interruption, "_asked", False)
    before = {number: signal.signal(number, interruption.interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(executor: _Futures) -> None:
    workers = _Workers(executor)
    with pytest.raises(KeyboardInterrupt):
        list(run_campaign((Task(seed, GridLayout()) for seed in range(9)), workers))
    assert workers.were_broken_off


def test_while_a_seed_is_waited_for() -> None:
    lock = _Struck()

    def make() -> "Future[Any]":
        future: Future[Any] = Future()
        future._condition = lock  # type: ignore[assignment]
        return future

    executor = _Futures(make, lambda: None)
    interrupted(executor)
    assert lock.was_struck
    ending = Thread(target=executor.taken[0].set_result, args=(None,), daemon=True)
    ending.start()
    ending.join(ENDS_S)
    assert not ending.is_alive(), "whoever runs the seed waits for a lock that nobody gives back"


def test_while_a_seed_is_handed_over() -> None:
    executor = _Futures(Future, lambda: signal.raise_signal(signal.SIGTERM))
    interrupted(executor)
    assert executor.begun == len(executor.taken) == 1


def test_while_a_result_is_looked_at() -> None:
    """The campaign is given up by whoever takes its results, and that is no news to anybody."""

    def make() -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(None)
        return future

    workers = _Workers(_Futures(make, lambda: None))
    campaign = run_campaign((Task(seed, GridLayout()) for seed in range(9)), workers)
    next(campaign)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    campaign.close()
    assert workers.were_broken_off


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As a shell has it for what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruption.heeded():
        signal.raise_signal(signal.SIGINT)
    interruption.check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
