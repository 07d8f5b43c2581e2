"""Porcupine (github.com/anishathalye/porcupine), a checker in Go, as a thing to compare with; and its recorded figures
for where Go or its source are not to be had."""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from benchmarks.errors import CannotMeasure
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome

MODELS = ("register", "cas-register", "kv-append")
"""What our program in Go has models for."""

MODULE = "github.com/anishathalye/porcupine"
PROGRAM = Path(__file__).parent / "main.go"
RECORDED = Path(__file__).parent / "recorded.json"
NS_PER_S = 10**9
FOR_EVER = 2**63 - 1
BUILD_S = 600
TIMEOUT_S = 60
RUNS_MAX = 20
MEMORY_GIB = 8
"""So much address space Porcupine is given: a machine that others use, too, should live through it."""


@frozen
class Asked:
    """A history for Porcupine: one of `MODELS`, and its operations, which may be on several keys."""

    name: str
    model: str
    operations: Sequence[Operation]


@frozen
class Answered:
    """:ivar is_linearizable: None where it did not come to an answer within `TIMEOUT_S`.
    :ivar elapsed_s: the fastest of a few runs.
    """

    is_linearizable: bool | None
    elapsed_s: float


class Porcupine:
    def __init__(self, program: Path) -> None:
        self._program = program

    def answers(self, asked: Sequence[Asked]) -> Mapping[str, Answered]:
        """What it says of each, by name; nothing of any where it needed more than `MEMORY_GIB`.

        :raises CannotMeasure: where it fails in any other way.
        """
        histories = [
            {"name": each.name, "model": each.model, "operations": _operations(each.operations)} for each in asked
        ]
        limited = f"ulimit -v {MEMORY_GIB * 2**20}; exec {self._program}"
        runs_s = TIMEOUT_S * (RUNS_MAX + 1) * max(len(asked), 1)
        done = subprocess.run(
            ["/bin/sh", "-c", limited],
            input=json.dumps(histories),
            capture_output=True,
            text=True,
            timeout=runs_s,
            check=False,
        )
        if "out of memory" in done.stderr or "cannot allocate memory" in done.stderr:
            return {}
        if done.returncode:
            raise CannotMeasure(f"Porcupine could not be run: {_last_line(done.stderr)}")
        return {
            each["name"]: Answered({"Ok": True, "Illegal": False}.get(each["verdict"]), each["ns"] / NS_PER_S)
            for each in json.loads(done.stdout)
        }


@contextmanager
def built(checkout: Path) -> Iterator[Porcupine]:
    """Build it.

    :param checkout: its source.
    :raises CannotMeasure: where that or Go is missing.
    """
    go = shutil.which("go")
    if go is None:
        raise CannotMeasure("Porcupine needs Go; on Debian, as root: apt-get install --no-install-recommends golang-go")
    if not (checkout / "go.mod").is_file():
        raise CannotMeasure(f"{checkout} is no checkout of Porcupine")
    with TemporaryDirectory() as scratch:
        shutil.copy(PROGRAM, scratch)
        module = f"module histories\n\ngo 1.16\n\nrequire {MODULE} v0.0.0\n\nreplace {MODULE} => {checkout.resolve()}\n"
        Path(scratch, "go.mod").write_text(module, encoding="utf-8")
        offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": f"{scratch}/cache"}
        done = subprocess.run(
            [go, "build", "-o", "porcupine", "."],
            cwd=scratch,
            env=os.environ | offline,
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        if done.returncode:
            raise CannotMeasure(f"Porcupine could not be built: {_last_line(done.stderr)}")
        yield Porcupine(Path(scratch, "porcupine"))


def recorded() -> dict[str, float]:
    """Its figures as they were recorded, in seconds, by what they are of; infinite where it came to no answer."""
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: math.inf if seconds is None else seconds for name, seconds in found.items()}


def record(figures: Mapping[str, float]) -> None:
    finite = {name: seconds if math.isfinite(seconds) else None for name, seconds in figures.items()}
    RECORDED.write_text(json.dumps(finite, indent=4) + "\n", encoding="utf-8")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why"])[-1]


def _operations(operations: Sequence[Operation]) -> list[dict[str, object]]:
    """The operations as the program takes them: what failed is not there, what is ambiguous never returns."""
    clients: dict[str, int] = {}
    found = []
    for each in operations:
        if each.outcome is Outcome.FAILED:
            continue
        is_known = each.outcome is Outcome.OK
        found.append(
            {
                "client": clients.setdefault(each.client, len(clients)),
                "function": each.function,
                "argument": each.argument,
                "result": None if each.result is UNKNOWN else each.result,
                "known": is_known,
                "key": str(each.key),
                "call": each.call_ns,
                "return": each.return_ns if is_known else FOR_EVER,
            }
        )
    return found
