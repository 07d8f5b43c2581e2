"""The optional C part: what C code asks for, answered by the world; and how it is found, built and done without."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.simulation import native

PROGRAM = Path(__file__).with_name("native_in_a_world.py")
ROOT = PROGRAM.parents[2]
CALL_S = 60
"""So long, at the most, one of those programs takes."""

SECOND_NS = 1_000_000_000


def environment(hash_seed: str = "0") -> dict[str, str]:
    library = native.find()
    if library is None:
        pytest.skip("the C part is not built: apt-get install gcc libc6-dev, then rm -r .venv and make setup")
    return os.environ | native.environment(library, os.environ) | {"PYTHONHASHSEED": hash_seed, "TZ": "UTC0"}


def run(program: str, seed: str = "1", where: str = "inside", hash_seed: str = "0") -> list[str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), program, seed, where],
        cwd=ROOT,
        env=environment(hash_seed),
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def read(line: str) -> Any:
    return ast.literal_eval(line)


@pytest.mark.parametrize("program", ["chance", "standard", "twisted"])
def test_a_run_is_the_same_to_the_byte_in_another_interpreter(program: str) -> None:
    assert run(program, hash_seed="1") == run(program, hash_seed="2")


@pytest.mark.parametrize("program", ["chance", "standard", "twisted"])
def test_another_seed_is_another_run(program: str) -> None:
    one, another = (run(program, seed) for seed in ("1", "2"))
    assert one[0] != another[0]
    if program == "chance":
        assert not set(one) & set(another) - {"True"}


def test_a_run_that_was_given_no_seed_has_one_of_its_own() -> None:
    drawn = run("chance", seed="")
    assert any(bytes.fromhex(drawn[0]))
    assert drawn == run("chance", seed="")


def test_openssl_takes_it_for_ready() -> None:
    assert run("chance")[1] == "True"


def test_outside_chance_is_real() -> None:
    *one, drawn = run("chance", where="outside")
    assert drawn == "0"
    assert not set(one) & set(run("chance", where="outside")[:-1]) - {"True"}


def test_all_comes_from_the_one_stream_that_is_counted() -> None:
    assert int(run("chance")[-1]) > 200_000 // 8
    before, _, after, _ = read(run("runs")[0])
    assert (before, after) == (0, 3)  # 17 bytes are three words


def test_the_time_of_day_is_the_worlds() -> None:
    wall, calendar, *_ = run("clocks")
    assert wall == (
        "(2222222222123456789, 2222222222123456789, "
        "datetime.datetime(2040, 6, 2, 3, 57, 2, 123456, tzinfo=datetime.timezone.utc))"
    )
    *rest, uuid_time = read(calendar)
    assert rest == [2_222_222_222, [2_222_222_222, 123_456], [0, 0]]
    assert uuid_time // 10_000_000 == 2_222_222_222 + 12_219_292_800  # RFC 9562 counts from 1582


def test_outside_the_time_of_day_is_real() -> None:
    began_ns = time.time_ns()
    seconds, (as_timeval, _), _, _ = read(run("clocks", where="outside")[1])
    assert began_ns // SECOND_NS - 1 <= seconds <= time.time_ns() // SECOND_NS
    assert began_ns // SECOND_NS <= as_timeval <= time.time_ns() // SECOND_NS


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_monotonic_clocks_stay_real_for_the_interpreter_waits_by_them(where: str) -> None:
    began_ns = time.monotonic_ns()
    assert began_ns < read(run("clocks", where=where)[2]) < time.monotonic_ns()
    assert run("busy", where=where)[0] == "10"


@pytest.mark.parametrize("program", ["standard", "twisted"])
def test_tls_judges_certificates_by_the_clock_of_the_world(program: str) -> None:
    heard = run(program)[1]
    assert heard.startswith("(True, ")
    assert "TLSv1.3" in heard
    assert "certificate verify failed" in run(program, where="outside")[-2]


def test_a_run_owes_nothing_to_the_one_before_it() -> None:
    first, second, third, _ = run("runs")
    assert first == third != second


def test_a_run_in_a_forked_process_is_the_same() -> None:
    there, here, _ = run("forked")
    assert there == here


def test_another_thread_and_whoever_has_left_gets_the_real_answers() -> None:
    began_ns = time.time_ns()
    *one, draws = run("elsewhere")
    ended_ns = time.time_ns()
    *another, _ = run("elsewhere")
    assert draws == "0"
    assert all(began_ns < read(each)[0] < ended_ns for each in one)
    assert len({chance for each in one + another for chance in read(each)[1:]}) == 8


def test_the_generator_is_the_published_one() -> None:
    """The first words of xoshiro256** after a state of 1, 2, 3, 4, as other implementations of it test them."""
    assert run("reference")[0] == "(11520, 0, 1509978240, 1215971899390074240)"


def test_programs_that_are_not_python_bear_it() -> None:
    settings = environment() | {"LD_BIND_NOW": "1"}
    done = subprocess.run(["date", "+%s"], env=settings, capture_output=True, text=True, timeout=CALL_S, check=True)
    assert done.stderr == ""
    assert abs(int(done.stdout) - time.time()) < CALL_S


def test_what_else_is_preloaded_is_kept() -> None:
    library = Path("/there/glitchgrid_native.so")
    assert native.environment(library, {})["LD_PRELOAD"] == str(library)
    assert native.environment(library, {"LD_PRELOAD": "a.so b.so"})["LD_PRELOAD"] == f"{library}:a.so b.so"


def test_without_it_all_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert native.loaded() is None
    monkeypatch.setattr(native, "HERE", tmp_path)
    assert native.find() is None
    assert "apt-get install gcc libc6-dev" in native.explanation()


def test_it_is_not_looked_for_where_it_cannot_be_preloaded_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / native.LIBRARY).touch()
    monkeypatch.setattr(native, "HERE", tmp_path)
    assert native.find() == tmp_path / native.LIBRARY
    monkeypatch.setattr(native, "HERE", tmp_path / "my grid")
    native.HERE.mkdir()
    (native.HERE / native.LIBRARY).touch()
    assert native.find() is None
    assert "the path has a space" in native.explanation()
