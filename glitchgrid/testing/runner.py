"""The process in which a test runs: it puts the seam in, imports the test, and answers what it is asked.

    python -c "from glitchgrid.testing.runner import main; main()" DESCRIPTOR

reads one request a line from its standard input, in JSON, and writes an answer a line to that descriptor.
"""

import gc
import importlib
import importlib.util
import json
import os
import pickle
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from glitchgrid.testing.decorator import Simulated
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.settings import REACTORS

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from glitchgrid.lab.campaign.result import Result

SINGLE_PREEMPTIONS_MAX = 100
"""So many places are tried for the one where a single long stop is enough."""


def main() -> None:
    """Answer requests until there are no more. The first one says which file it is, with its settings."""
    from glitchgrid.simulation.kernel.place import without_chance  # noqa: PLC0415

    without_chance()
    talk = _Talk(int(sys.argv[-1]))
    file: _File | None = None
    for request in talk.requests():
        with talk.errors_told():
            if file is None:
                file = _File(request)
                talk.tell({"ready": True})
            else:
                _begin(file, request, talk)


def _begin(file: "_File", request: dict[str, Any], talk: "_Talk") -> None:
    """A test is run in a fork, which answers from now on, until it hears that it is done."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    test: _Test | None = None
    with talk.errors_told():
        test = _Test(file, request, talk)
        talk.tell({"ready": True})
    for following in talk.requests():
        with talk.errors_told():
            if following["ask"] == "end" or test is None:
                talk.tell({"ended": True})
                os._exit(0)
            talk.tell(test.answer(following))
    os._exit(0)


class _Talk:
    """With whoever has started this process: a line of JSON for a line of JSON."""

    def __init__(self, answers: int) -> None:
        self._answers = os.fdopen(answers, "w", encoding="utf-8")
        self._requests = os.fdopen(os.dup(0), encoding="utf-8")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)  # what the test reads is not ours
        os.close(null)

    def requests(self) -> Iterator[dict[str, Any]]:
        for line in iter(self._requests.readline, ""):
            yield json.loads(line)

    def tell(self, answer: dict[str, Any]) -> None:
        try:
            print(json.dumps(answer), file=self._answers, flush=True)
        except BrokenPipeError:
            os._exit(0)  # whoever has asked has ended, and nobody else listens

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """Who waits for an answer gets an error in its place."""
        try:
            yield
        except WorldError as error:
            self.tell({"error": str(error)})
        except Exception as error:  # noqa: BLE001 - whoever asks has to hear of it
            import traceback  # noqa: PLC0415

            self.tell({"bug": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})


class _File:
    """A file with tests, imported behind the seam."""

    def __init__(self, request: dict[str, Any]) -> None:
        from glitchgrid.simulation.kernel import preemption_imports  # noqa: PLC0415 - nothing before the seam
        from glitchgrid.simulation.kernel.installed import Installed  # noqa: PLC0415

        preempt = request["preempt"]
        try:
            self.installed = Installed(request["share"], REACTORS[request["reactor"]], preempt)
        except preemption_imports.TooLate as error:
            raise WorldError(f"preempt={preempt}: {error}") from error
        # From here on, everything that is imported finds the seam.
        from glitchgrid.testing.statements import Statements  # noqa: PLC0415

        self.statements = Statements()
        self.statements.put_in()
        file = request["file"]
        try:
            self._module = _imported(request["module"], file, self.installed.pointed)
        except Exception as error:
            raise WorldError(f"{file} can't be imported: {type(error).__name__}: {error}") from error
        for name in preempt:
            if name != request["module"] and importlib.util.find_spec(name.partition(".")[0]) is None:
                raise WorldError(f"preempt={preempt}: there is no package {name}")
        self._name = file
        # Until somebody listens Twisted keeps what is logged, and with it all that it speaks of.
        from twisted.logger import globalLogBeginner  # noqa: PLC0415

        globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
        gc.collect()
        gc.freeze()

    def find(self, name: str) -> tuple[Simulated, type | None]:
        """A test, and its class if it is a method.

        :raises WorldError: where it isn't there.
        """
        found, owner = self._module, None
        for part in name.split("."):
            owner, found = found, getattr(found, part, None)
        if not hasattr(found, "__simulated__"):
            raise WorldError(f"{self._name} has no simulated test called {name}")
        return found.__simulated__, owner if isinstance(owner, type) else None


class _Test:
    def __init__(self, file: _File, request: dict[str, Any], talk: _Talk) -> None:
        from glitchgrid.testing import system  # noqa: PLC0415
        from glitchgrid.testing.forks import Forks  # noqa: PLC0415
        from glitchgrid.testing.run import Test  # noqa: PLC0415

        self._tell = talk.tell
        found, owner = file.find(request["name"])
        arguments, named = pickle.loads(b64decode(request["arguments"]))
        if owner is not None:
            arguments = (_instance(owner, request["name"].rpartition(".")[2]), *arguments[1:])
        self._layout = system.TestLayout(request["address"])
        test = Test(
            lambda world: found.function(*arguments, world=world, **named),
            found.settings,
            self._layout,
            file.statements,
        )
        self._runner = system.TESTS.runner = Forks(file.installed, test, lambda result: talk.tell(_as_json(result)))
        self._runner.prepare()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        ask: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "seed": self._seed,
            "plan": self._plan,
            "shrink": self._shrink,
        }
        return ask[request["ask"]](request)

    def _seed(self, request: dict[str, Any]) -> dict[str, Any]:
        return _as_json(self._runner.run_seed(request["seed"], self._layout, keep_trace=request.get("trace", False)))

    def _plan(self, request: dict[str, Any]) -> dict[str, Any]:
        plan = self._decoded(request["plan"])
        result = self._runner.run_plan(plan, keep_trace=request.get("trace", False) or bool(request.get("html")))
        if request.get("html"):
            self._draw(result, request["html"], request["replay"])
        return _as_json(result)

    def _decoded(self, text: str) -> Any:
        from glitchgrid.lab.errors import PlanInvalid  # noqa: PLC0415
        from glitchgrid.lab.plan.file import decode_plan  # noqa: PLC0415
        from glitchgrid.testing.system import TESTS  # noqa: PLC0415

        try:
            return decode_plan(text, TESTS.plans)
        except PlanInvalid as error:
            raise WorldError(f"the plan can't be read: {error}") from error

    def _shrink(self, request: dict[str, Any]) -> dict[str, Any]:
        from glitchgrid.lab.campaign.shrink import NothingToShrink, shrink  # noqa: PLC0415

        plan, tried = self._with_one_preemption(self._decoded(request["plan"]), request["oracle"])
        try:
            shrunk = shrink(
                plan,
                None,
                lambda runs, left: self._tell({"progress": [runs, left]}),
                request["oracle"],
                request["runs"],
            )
        except NothingToShrink:
            raise WorldError(
                "the plan fails no more: the run depends on something that its seed does not decide"
            ) from None
        if request.get("html"):
            self._draw(shrunk.result, request["html"], request["replay"])
        return _as_json(shrunk.result) | {"runs": shrunk.runs + tried, "difference": shrunk.first_difference}

    def _with_one_preemption(self, plan: Any, oracle: str) -> tuple[Any, int]:
        """A plan that fails in the same way with a single preemption, or else the plan; and how many were tried."""
        from glitchgrid.lab.verdict import Verdict  # noqa: PLC0415
        from glitchgrid.testing.threads import with_one  # noqa: PLC0415

        tried = 0
        for each in islice(with_one(plan), SINGLE_PREEMPTIONS_MAX):
            tried += 1
            result = self._runner.run_plan(each, keep_trace=False)
            self._tell({"progress": [tried, len(plan.faults)]})
            if result.verdict is Verdict.VIOLATION and result.is_found_by(oracle):
                return each, tried
        return plan, tried

    def _draw(self, result: "Result", path: str, replay: str) -> None:
        from glitchgrid.lab.campaign.rendering import picture_of  # noqa: PLC0415
        from glitchgrid.lab.picture.page import as_page  # noqa: PLC0415

        notes = [f"faults: {len(result.plan.faults)}, machines: {len(result.plan.layout.machines)}", f"Again: {replay}"]
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(as_page(picture_of(result, notes)))
        except OSError as error:
            raise WorldError(f"the picture can't be written: {error}") from error


def _as_json(result: "Result") -> dict[str, Any]:
    from glitchgrid.lab.plan.file import encode_plan  # noqa: PLC0415

    return {
        "plan": encode_plan(result.plan),
        "faults": [
            f"at {each.at_ms / 1000:g} s for {each.for_ms / 1000:g} s: {each.fault}" for each in result.plan.faults
        ],
        "verdict": result.verdict.value,
        "findings": [[each.oracle, each.message, each.at_ns, list(each.operations)] for each in result.findings],
        "digest": result.digest,
        "operations": result.operations,
        "events": result.events,
        "duration_ns": result.duration_ns,
        "reached": dict(result.reached),
        "history": result.history,
        "stated": [[text, held, count] for (text, held), count in result.stated.items()],
        "trace": list(result.trace),
    }


def _imported(name: str, file: str, changed: Callable[["ModuleSpec"], "ModuleSpec"]) -> Any:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(file):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "it is a file of Python's"
    assert spec.loader is not None, "so it has a loader"
    spec = changed(spec)
    assert spec.loader is not None, "it has one still"
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def _instance(owner: type, method: str) -> Any:
    """Whose method it is: its own `setUp` is not run, which is for what happens outside of the world."""
    from unittest import TestCase  # noqa: PLC0415

    return owner(method) if issubclass(owner, TestCase) else owner()
