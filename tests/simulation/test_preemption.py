"""Preemption points: code with points does what it did, and threads give way at them as a schedule says."""

import ast
import asyncio
import builtins
import importlib
import os
import runpy
import sys
import textwrap
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from greenlet import getcurrent
from hypothesis import given, settings
from hypothesis import strategies as st

from glitchgrid.simulation.kernel import importing, preemption_imports
from glitchgrid.simulation.kernel.preemption import Passing, Points
from glitchgrid.simulation.kernel.preemption_points import POINT, with_points
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.schedules import Given, Pct, Random, Spot
from glitchgrid.simulation.kernel.seam import Seam
from glitchgrid.simulation.kernel.threads import Lock, Threads
from glitchgrid.simulation.random_stream import RandomStream
from tests.simulation.hosts import Hosts

MS = 1_000_000
LATE_MS = 100_000
EVERY_TIME = 1000
OFTEN = ((1000, 20),)
"""As often as the weight says, for about 20 us."""


def passed_by(source: str, name: str = "run", *arguments: Any) -> tuple[Any, list[str]]:
    """What a function of a module with points returns, and the places that it came by."""
    places: list[str] = []

    def point(place: str, per_mille: int, value: Any = None) -> Any:
        assert per_mille == 7
        places.append(place)
        return value

    module = _module(compile(with_points(source, "m.py", "m", 7), "m.py", "exec", dont_inherit=True))
    module[POINT] = point
    return module[name](*arguments), places


def _module(code: types.CodeType) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "m"}
    exec(code, namespace)  # noqa: S102 - code is what is tested
    return namespace


def outcome(source: str, *, points: bool, arguments: tuple[Any, ...] = ()) -> Any:
    """What a module's `run` returns or raises, with whatever it has logged."""
    log: list[Any] = []
    tree = with_points(source, "m.py", "m", 7) if points else ast.parse(source)
    module = _module(compile(tree, "m.py", "exec", dont_inherit=True))
    module |= {POINT: lambda _place, _weight, value=None: value, "log": log, "asyncio": asyncio}
    try:
        return "returned", module["run"](*arguments), log
    except Exception as error:  # noqa: BLE001 - it is compared
        frames = traceback.extract_tb(error.__traceback__)[1:]
        return "raised", repr(error), [(each.name, each.lineno, each.colno, each.end_colno) for each in frames], log


TRACKED = '''
class Tracked:
    """Logs what is done to it."""
    def __init__(self, name, **values): self.__dict__.update(name=name, **values)
    def __getattribute__(self, name):
        if name != "__dict__": log.append(("get", self.__dict__["name"], name))
        return object.__getattribute__(self, name)
    def __setattr__(self, name, value):
        log.append(("set", self.__dict__["name"], name, value))
        self.__dict__[name] = value
    def __getitem__(self, place):
        log.append(("item", self.__dict__["name"], place))
        return self.__dict__.get(place, 0)
    def __setitem__(self, place, value):
        log.append(("put", self.__dict__["name"], place, value))
        self.__dict__[place] = value
def of(value):
    log.append(("of", getattr(value, "__dict__", {}).get("name", str(value).split(" at 0x")[0])))
    return value
'''

CONSTRUCTS = dict(
    part.split("\n", 1)  # its name, and its source
    for part in Path(__file__).with_name("constructs.txt").read_text(encoding="utf-8").split("### ")[1:]
)


RAISING = {
    "a value that fails", "an operator that fails", "a target that fails", "try and finally", "an exception far down",
    "a comprehension that fails",
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_code_with_points_does_what_it_did(name: str) -> None:
    source = CONSTRUCTS[name]
    source = source if source.startswith("from __future__") else TRACKED + source
    plain = outcome(source, points=False)
    assert outcome(source, points=True) == plain
    assert plain[0] == ("raised" if name in RAISING else "returned"), plain


def test_functions_begin_where_they_began() -> None:
    source = "\n@staticmethod\n\ndef run():\n\n x = 1\n return x"
    tree = with_points(source, "m.py", "m", 7)
    (plain,) = (each for each in compile(source, "m.py", "exec").co_consts if isinstance(each, types.CodeType))
    (changed,) = (each for each in compile(tree, "m.py", "exec").co_consts if isinstance(each, types.CodeType))
    assert changed.co_firstlineno == plain.co_firstlineno
    assert {line for *_, line in changed.co_lines()} == {line for *_, line in plain.co_lines()}


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("def run():\n 'doc'\n global x\n x = 1\n return 2", ["m:4", "m:5"]),
        ("def run():\n if True:\n  return 1\n return 2", ["m:2", "m:3"]),
        ("class A: n = 0\ndef run():\n a = A()\n a.n += 1", ["m:3", "m:4", "m:4 within"]),
        ("class A: n = 0\ndef run():\n a = A()\n a.n = a.n + 1", ["m:3", "m:4", "m:4 within"]),
        ("class A: n = 0\ndef run():\n a = A()\n a.n = 1", ["m:3", "m:4"]),
        (
            "def run():\n a = {1: 2}\n a[1] = a.get(1) + 1\n a[1] += 1",
            ["m:2", "m:3", "m:3 within", "m:4", "m:4 within"],
        ),
        ("n = 0\ndef run():\n global n\n n += 1\n n = n + 1", ["m:4", "m:4 within", "m:5", "m:5 within"]),
        ("n = 0\ndef run():\n if True:\n  global n\n n += 1", ["m:3", "m:5", "m:5 within"]),
        ("def run():\n n = 0\n n += 1", ["m:2", "m:3"]),
        ("def run():\n n = 0\n def f():\n  nonlocal n\n  n += 1\n f()", ["m:2", "m:3", "m:6", "m:5", "m:5 within"]),
        ("def run():\n n = 2\n while n:\n  n -= 1", ["m:2", "m:3", "m:4", "m:3", "m:4", "m:3"]),
        ("def run():\n @staticmethod\n def f(): pass\n class A:\n  n = 1\n  n += 1", ["m:2", "m:4"]),
        ("def run():\n match 1:\n  case 1:\n   pass", ["m:2", "m:4"]),
        (
            "def run():\n try:\n  1 / 0\n except ZeroDivisionError:\n  pass\n finally:\n  pass",
            ["m:2", "m:3", "m:5", "m:7"],
        ),
        ("n = 0\nn += 1\nrun = lambda: n", ["m:3 within"]),
        ("run = lambda: 1\nx = [n for n in [1, 2]]", ["m:1 within"]),
        ("def run():\n return [n\n  for n in [1, 2]]", ["m:2", "m:2 within", "m:2 within"]),
        ("def run():\n return {n: n for n in [1, 2] if n - 1}", ["m:2", *["m:2 within"] * 3]),
        ("def run():\n return max([1, 2], key=lambda n: n)", ["m:2", "m:2 within", "m:2 within"]),
    ],
)
def test_where_points_are(source: str, places: list[str]) -> None:
    assert passed_by(source)[1] == places


# Programs at random.

_NAMES = st.sampled_from(["a", "b", "n"])
_ATTRIBUTES = st.sampled_from(["t.x", "t.y", "u[0]", "u[a % 3]", "of(t).x", "u[of(1)]"])
_ATOMS = st.one_of(_NAMES, _ATTRIBUTES, st.integers(-3, 3).map(str), st.just("of(2)"))
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "<", "and"]), inner).map(" ".join).map("({})".format)
    ),
    max_leaves=4,
)
_PLAIN = st.one_of(
    st.tuples(st.one_of(_NAMES, _ATTRIBUTES), st.sampled_from(["=", "+=", "-=", "*="]), _EXPRESSIONS).map(" ".join),
    st.tuples(_ATTRIBUTES, _ATTRIBUTES, _EXPRESSIONS, _EXPRESSIONS).map("{0[0]}, {0[1]} = {0[2]}, {0[3]}".format),
    st.sampled_from(["pass", "return a", "log.append(n)", "raise ValueError(a)", "a = inner()"]),
).map(lambda line: [line])


def _indented(block: list[str]) -> list[str]:
    return [" " + line for line in block]


def _compound(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    blocks = st.lists(inner, min_size=1, max_size=3).map(lambda parts: [line for part in parts for line in part])
    return st.one_of(
        st.tuples(_EXPRESSIONS, blocks, blocks).map(
            lambda p: [f"if {p[0]}:", *_indented(p[1]), "else:", *_indented(p[2])]
        ),
        st.tuples(_NAMES, blocks).map(lambda p: [f"for {p[0]} in range(2):", *_indented(p[1])]),
        st.tuples(blocks, blocks, blocks).map(
            lambda p: ["try:", *_indented(p[0]), "except ValueError:", *_indented(p[1]), "finally:", *_indented(p[2])]
        ),
        blocks.map(lambda block: ["budget = 3", "while budget:", " budget -= 1", *_indented(block)]),
    )


_PROGRAMS = st.lists(st.recursive(_PLAIN, _compound, max_leaves=8), min_size=1, max_size=5).map(
    lambda parts: [line for part in parts for line in part]
)
_HEAD = [
    "def run():", " global n", " a, b = 1, 2", " t = Tracked('t', x=1, y=2)", " u = {0: 1, 1: 2, 2: 3}",
    " def inner():", "  nonlocal a", "  a += of(1)", "  t.x += a", "  return t.x",
]  # fmt: skip


@given(_PROGRAMS)
@settings(max_examples=150, deadline=None)
def test_any_program_does_what_it_did(program: list[str]) -> None:
    source = "\n".join([TRACKED, "n = 0", *_HEAD, *_indented(program)])
    assert outcome(source, points=True) == outcome(source, points=False)


# Imports.


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of packages; what is imported from it is forgotten afterwards, and so are finders."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(builtins, POINT, None, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(place: Path, modules: dict[str, str]) -> None:
    for name, text in modules.items():
        path = place / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    importlib.invalidate_caches()


def put_in(weights: dict[str, int]) -> list[tuple[str, int]]:
    """Returns what comes by, from now on."""
    passed: list[tuple[str, int]] = []

    def point(place: str, per_mille: int, value: Any = None) -> Any:
        passed.append((place, per_mille))
        return value

    preemption_imports.put_in(weights, point)
    return passed


def test_a_module_has_the_weight_of_the_longest_name_that_it_is_under(package: Path) -> None:
    f = "def f(): pass\n"
    write(package, dict.fromkeys(["pkg1/__init__", "pkg1/a", "pkg1/b", "pkg1/none", "other1"], f))
    passed = put_in({"pkg1": 5, "pkg1.b": 9, "pkg1.none": 0})
    for name in ("pkg1", "pkg1.a", "pkg1.b", "pkg1.none", "other1"):
        importlib.import_module(name).f()
    assert passed == [("pkg1:1", 5), ("pkg1.a:1", 5), ("pkg1.b:1", 9)]


def test_byte_code_on_the_disk_never_has_points_and_is_never_taken_for_code_with_some(package: Path) -> None:
    write(package, dict.fromkeys(["pkg2", "pkg3"], "def f(): pass\n"))
    importlib.import_module("pkg2").f()
    assert [each.name for each in (package / "__pycache__").iterdir()] == [f"pkg2.{sys.implementation.cache_tag}.pyc"]
    del sys.modules["pkg2"]
    passed = put_in({"pkg2": 5, "pkg3": 5})
    importlib.import_module("pkg2").f()
    importlib.import_module("pkg3").f()
    assert passed == [("pkg2:1", 5), ("pkg3:1", 5)]
    assert len(list((package / "__pycache__").iterdir())) == 1


def test_a_changed_source_is_compiled_again(package: Path) -> None:
    write(package, {"pkg4": "def f(): return 1\n"})
    put_in({"pkg4": 5})
    assert importlib.import_module("pkg4").f() == 1
    del sys.modules["pkg4"]
    write(package, {"pkg4": "def f(): return 2\n"})
    assert importlib.import_module("pkg4").f() == 2


def test_a_package_that_is_run_has_points(package: Path) -> None:
    write(package, {"pkg5/__init__": "", "pkg5/__main__": "def f():\n return __name__\nname = f()\n"})
    passed = put_in({"pkg5": 5})
    assert runpy.run_module("pkg5", run_name="__main__")["name"] == "__main__"
    assert [place for place, _ in passed] == ["pkg5.__main__:2"]


def test_what_was_imported_already_can_get_no_points(package: Path) -> None:
    with pytest.raises(preemption_imports.TooLate, match="textwrap"):
        put_in({"textwrap": 5})
    with pytest.raises(ValueError, match="from 0 to 1000"):
        put_in({"pkg6": 1001})
    assert not any(isinstance(each, preemption_imports.Finder) for each in sys.meta_path)


def test_locks_of_modules_are_the_worlds_wherever_they_are_imported(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = [each for each in Threads(lambda: None).locks() if each.owner is threading]
    for each in patches:
        monkeypatch.setattr(each.owner, each.name, getattr(each.owner, each.name))
    importing.put_under(patches)
    write(package, {"pkg7": "import threading\nlock = threading.Lock()\nrlock = threading.RLock()\n"})
    module = importlib.import_module("pkg7")
    assert isinstance(module.lock, Lock)
    with module.rlock, module.rlock:
        assert type(module.rlock._block) is Lock
    assert not isinstance(threading.Lock(), Lock)


# Schedules.

COUNTING = """
class Counter:
    n = 0
    def count(self, times):
        for _ in range(times):
            self.n += 1
"""


class Box:
    """A world with one machine, and code with points."""

    def __init__(self, seed: str = "a seed") -> None:
        self.world = Hosts(seed)
        self.host = self.world.machine("a")
        self.seam = Seam()
        self.points = Points(self.seam, lambda: self.world.current)  # type: ignore[arg-type,return-value]
        self.preempted: list[tuple[Passing, int]] = []

    def rng(self, name: str) -> RandomStream:
        return self.world.rng(name)

    def follow(self, schedule: Any, most: int = 1_000_000) -> None:
        self.points.follow(schedule, lambda passing, stay_us: self.preempted.append((passing, stay_us)), most)

    def load(self, source: str, per_mille: int = EVERY_TIME) -> dict[str, Any]:
        tree = with_points(textwrap.dedent(source), "m.py", "m", per_mille)
        namespace: dict[str, Any] = {"__name__": "m", POINT: self.points.point}
        exec(compile(tree, "m.py", "exec"), namespace)  # noqa: S102 - code is what is tested
        return namespace

    def run(self, *bodies: Callable[[], Any], ms: int = LATE_MS) -> Process:
        """Each in a thread of one process, of which the main thread does nothing but wait."""

        def main() -> None:
            for body in bodies:
                process.spawn(body)
            process.sleep(ms * MS)

        process = Process(self.host, self.seam, getcurrent(), 100, main, lambda: None)
        self.world.run(ms * MS * 2)
        assert process.failure is None
        return process


def spots(preempted: list[tuple[Passing, int]]) -> list[tuple[Spot, int]]:
    return [(spot_of(passing), stay_us) for passing, stay_us in preempted]


def spot_of(passing: Passing) -> Spot:
    return Spot("a", 1, passing.thread.number, passing.place, passing.nth)


def counted(box: Box, times: int = 10, threads: int = 2) -> int:
    counter = box.load(COUNTING)["Counter"]()
    box.run(*[lambda: counter.count(times)] * threads)
    return int(counter.n)


def test_without_a_schedule_nobody_is_preempted() -> None:
    box = Box()
    assert counted(box) == 20
    assert not box.points.steps


def test_threads_that_are_preempted_lose_updates() -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN))
    assert counted(box) < 20
    assert {passing.thread.number for passing, _ in box.preempted} == {2, 3}


def test_the_same_seed_preempts_in_the_same_way() -> None:
    def run(seed: str) -> tuple[int, list[tuple[Spot, int]]]:
        box = Box(seed)
        box.follow(Random(box.rng))
        return counted(box), spots(box.preempted)

    assert run("1") == run("1")
    assert run("1") != run("2")


def test_a_thread_is_preempted_as_often_as_the_weight_says() -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN))
    counter = box.load(COUNTING, per_mille=100)["Counter"]()
    process = box.run(*[lambda: counter.count(500)] * 2)
    steps = box.points.steps[process]
    assert steps == 2 * (500 * 2 + 1)
    assert steps * 0.07 < len(box.preempted) < steps * 0.13


def test_each_process_is_preempted_in_a_manner_of_its_own() -> None:
    usual_us = set()
    for seed in range(40):
        box = Box(str(seed))
        box.follow(Random(box.rng, manners=((1000, 20), (100, 10_000))))
        counted(box)
        usual_us |= {20 if stay_us <= 20 * 64 else 10_000 for _, stay_us in box.preempted if stay_us}
        assert len({stay_us < 5_000 for _, stay_us in box.preempted}) <= 1
    assert usual_us == {20, 10_000}


def test_a_process_of_one_thread_is_never_preempted() -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN))
    counter = box.load(COUNTING)["Counter"]()
    process = Process(box.host, box.seam, getcurrent(), 100, lambda: counter.count(10), lambda: None)
    box.world.run(MS)
    assert (counter.n, process.status, box.preempted) == (10, 0, [])


def test_nobody_is_preempted_outside_of_processes() -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN))
    counter = box.load(COUNTING)["Counter"]()
    counter.count(3)
    box.run(lambda: box.world.after(0, counter.count, 3), lambda: None)
    assert (counter.n, box.preempted) == (6, [])


def test_nobody_is_preempted_who_imports(package: Path) -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN))
    counter = box.load(COUNTING)["Counter"]()
    builtins.counter_of_test = counter  # type: ignore[attr-defined]
    try:
        write(package, {"pkg8": "import builtins\nbuiltins.counter_of_test.count(3)\n"})
        box.run(lambda: importlib.import_module("pkg8"), lambda: None)
    finally:
        del builtins.counter_of_test  # type: ignore[attr-defined]
    assert (counter.n, box.preempted) == (3, [])


def test_a_preempted_thread_is_away_for_its_time_while_others_run() -> None:
    box = Box()
    said: list[tuple[int, str]] = []
    module = box.load("def act(say, who):\n say(who + ' begins')\n say(who + ' ends')\n", 0)
    box.follow(Given([(Spot("a", 1, 2, "m:3", 1), 700)], spot_of))

    def say(what: str) -> None:
        said.append((box.world.now_ns // 1000, what))

    box.run(lambda: module["act"](say, "one"), lambda: module["act"](say, "two"))
    assert said == [(0, "one begins"), (0, "two begins"), (0, "two ends"), (700, "one ends")]


def test_who_is_preempted_with_a_lock_makes_others_wait() -> None:
    box = Box()
    said: list[tuple[int, str]] = []
    lock = Lock(lambda: box.world.current)  # type: ignore[arg-type,return-value]
    module = box.load("def act(lock, say, who):\n with lock:\n  say(who)\n")
    box.follow(Given([(Spot("a", 1, 2, "m:3", 1), 700)], spot_of))
    act = module["act"]
    box.run(
        lambda: act(lock, lambda who: said.append((box.world.now_ns // 1000, who)), "one"),
        lambda: act(lock, lambda who: said.append((box.world.now_ns // 1000, who)), "two"),
    )
    assert said == [(700, "one"), (700, "two")]


def test_what_one_run_has_shown_can_be_done_again_and_left_out() -> None:
    first = Box()
    first.follow(Random(first.rng, manners=OFTEN))
    lost = counted(first)
    again = Box("another seed")
    again.follow(Given(spots(first.preempted), spot_of))
    assert counted(again) == lost < 20
    assert spots(again.preempted) == spots(first.preempted)
    none = Box("another seed")
    none.follow(Given([], spot_of))
    assert counted(none) == 20


def test_there_are_no_more_preemptions_than_there_may_be() -> None:
    box = Box()
    box.follow(Random(box.rng, manners=OFTEN), most=3)
    counted(box)
    assert len(box.preempted) == 3
    assert box.points.left == 0


def test_only_the_machines_that_were_named_are_preempted() -> None:
    for schedule in (Random, lambda rng, machines: Pct(rng, 5, {"a": 10}, machines)):
        box = Box()
        box.follow(schedule(box.rng, {"b"}))
        assert counted(box) == 20


# PCT.

TWO_DEEP = """
class Bug:
    x, was_seen = 0, False
    def one(self):
        self.x += 1
        self.x += 1
        self.x += 1
    def two(self):
        before = self.x
        if self.x != before:
            self.was_seen = True
        self.x = 0
"""
"""`one` has to come between two statements of `two`: once in, and out again where it likes."""

THREE_DEEP = """
class Bug:
    x = y = 0
    was_seen = False
    def one(self):
        self.x = 1
        if self.y:
            self.was_seen = True
        self.x = 0
    def two(self):
        if self.x:
            self.y = 1
            pass
            self.y = 0
"""
"""`two` has to come while `one` has x, and `one` to go on while `two` has y."""


def seen(source: str, depth: int, seeds: int, steps: int) -> int:
    """At how many seeds PCT finds a bug."""
    found = 0
    for seed in range(seeds):
        box = Box(str(seed))
        box.follow(Pct(box.rng, depth, {"a": steps}))
        bug = box.load(source)["Bug"]()
        process = box.run(bug.one, bug.two)
        assert box.points.steps[process] <= steps
        found += bug.was_seen
    return found


def test_pct_finds_a_bug_of_depth_2_as_often_as_it_promises() -> None:
    steps, seeds = 10, 1000
    assert seen(TWO_DEEP, 1, 100, steps) == 0
    promised = seeds / (2 * steps)
    assert seen(TWO_DEEP, 2, seeds, steps) >= promised - 2 * promised**0.5  # it is chance all the same


def test_pct_of_depth_2_does_not_find_a_bug_of_depth_3() -> None:
    steps, seeds = 8, 2000
    assert seen(THREE_DEEP, 2, seeds, steps) == 0
    promised = seeds / (2 * steps**2)
    assert seen(THREE_DEEP, 3, seeds, steps) >= promised - 2 * promised**0.5


def test_pct_can_be_done_again_from_what_it_has_done() -> None:
    for seed in range(10):
        first = Box(str(seed))
        first.follow(Pct(first.rng, 3, {"a": 40}))
        lost = counted(first, threads=3)
        again = Box("another seed")
        again.follow(Given(spots(first.preempted), spot_of))
        assert counted(again, threads=3) == lost
        assert spots(again.preempted) == spots(first.preempted)


def test_a_thread_gives_way_to_one_of_higher_priority_that_is_ready() -> None:
    orders = set()
    for seed in range(20):
        box = Box(str(seed))
        said: list[str] = []
        box.follow(Pct(box.rng, 1, {}))
        act = box.load("def act(say, who):\n say(who)\n say(who)\n")["act"]
        box.run(*[partial(act, said.append, who) for who in "abc"])
        orders.add("".join(said))
        assert box.world.now_ns == 2 * LATE_MS * MS
    # Each runs to its end before one below it goes on: the orders of three threads, and no others.
    assert orders == {"aabbcc", "aaccbb", "bbaacc", "bbccaa", "ccaabb", "ccbbaa"}


def test_pct_lowers_a_thread_at_each_of_its_change_points() -> None:
    box = Box()
    box.follow(Pct(box.rng, 4, {"a": 40}))
    counted(box, times=10)
    assert 1 <= len([stay_us for _, stay_us in box.preempted if stay_us]) <= 3
    assert os.sep not in box.preempted[0][0].place


def test_a_thread_that_was_lowered_goes_last_from_then_on() -> None:
    class Ready:
        is_ready = True
        process: Any

    one, two = Ready(), Ready()
    threads: list[Any] = [one, two]
    process: Any = Box().run()
    process.threads = dict(enumerate(threads))
    Ready.process = process
    for seed in range(20):
        schedule = Pct(Box(str(seed)).rng, 2, {"a": 1})
        by_one, by_two = (Passing(process, each, "m:1", 1, EVERY_TIME) for each in threads)
        assert (schedule.stay_us(by_one) or 0) > 0
        assert (schedule.stay_us(by_one), schedule.stay_us(by_two)) == (0, None)
