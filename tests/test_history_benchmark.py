"""The benchmark of the checker: it compares verdicts with a table, and its random histories are what it says."""

import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.errors import CannotMeasure
from benchmarks.histories import listed_in
from benchmarks.porcupine import built
from benchmarks.random_histories import KINDS, MAX_REGISTER, UNIQUE_REGISTER, drawn_lines
from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.checkers.result import Linearizable
from glitchgrid.lab.checkers.unique_values import are_unique
from glitchgrid.lab.history.formats.reading import read_any
from tests.test_check_models import FINE, STALE


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "edn").mkdir()
    (tmp_path / "edn" / "stale.edn").write_text(STALE)
    (tmp_path / "edn" / "fine.edn").write_text(FINE)
    return tmp_path


def measure(directory: Path, *rows: str) -> tuple[int, str]:
    (directory / "expected.tsv").write_text("\n".join(("file\tmodel\tverdict", *rows)) + "\n")
    done = CliRunner().invoke(main, ["histories", str(directory), "--sizes", "100", "--output", str(directory / "out")])
    assert (directory / "out" / "histories-speed.md").read_text() in done.stdout
    return done.exit_code, done.stdout


def test_verdicts_that_agree(directory: Path) -> None:
    status, said = measure(directory, "edn/stale.edn\tregister\tnot", "edn/fine.edn\tregister\tlinearizable")
    assert status == 0
    assert "| `edn/stale.edn` | 1 | 1 |" in said
    assert said.count("| linearizable |") == len(KINDS)  # of the random histories


def test_a_verdict_that_does_not(directory: Path) -> None:
    status, said = measure(directory, "edn/stale.edn\tregister\tlinearizable")
    assert status == 1
    assert "edn/stale.edn: not, and the table has it otherwise" in said


@pytest.mark.parametrize("kind", KINDS)
def test_random_histories(kind: str) -> None:
    text = "".join(drawn_lines(kind, 300))
    history, _ = read_any(io.BytesIO(text.encode()))
    assert len(history.operations) == 300
    assert len({each.client for each in history.operations}) == 10
    model = MODELS[MAX_REGISTER if kind == MAX_REGISTER else "register"](history.initial)
    assert isinstance(judge(history, model), Linearizable)
    assert are_unique(history.operations, model) == (kind == UNIQUE_REGISTER)


def test_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotMeasure, match="is no table"):
        listed_in(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotMeasure, match="apt-get install --no-install-recommends golang-go"), built(tmp_path):
        pass
