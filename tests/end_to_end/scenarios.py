"""A real grid for each test command, the faults that it is called beside, and the glitch that it is to find then.

The faults are the same with the glitch and without it: it is the glitch that makes the difference.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from glitchgrid.lab.composer.templates import find_templates, names_in, read_template
from glitchgrid.lab.register.testkit.shared import BOOT_ID
from tests.end_to_end.processes import Control, Servers, Vault, ask, wait_until

TEMPLATES = find_templates()
COMMANDS = {
    command.name: command.path for name in names_in(TEMPLATES) for command in read_template(TEMPLATES, name).commands
}
WORKLOAD = TEMPLATES.parent / "workload.sh"
ENDS_WITHIN_S = 120
WEIGHTS = {"larger": 4, "equal": 1, "smaller": 1, "read": 4, "leave": 0}
ONLY_LARGER = {"larger": 1, "equal": 0, "smaller": 0, "read": 0, "leave": 0}
TURNS_MAX = 40


class Ended(NamedTuple):
    status: int
    line: str


class Rig:
    """A grid of two controls and three vaults, and what the commands of one timeline share."""

    def __init__(self, servers: Servers, directory: Path, glitch: str | None) -> None:
        self.glitch = glitch
        self.directory = directory
        self.output = directory / "sdk.jsonl"
        self.vaults = [servers.vault(f"vault{number}") for number in (1, 2, 3)]
        self.controls = [servers.control([vault.address for vault in self.vaults]) for _ in range(2)]
        for server in self.all:
            server.start()
        for server in self.all:
            server.wait_ready()
        self._pool = ThreadPoolExecutor()

    @property
    def all(self) -> list[Vault | Control]:
        return [*self.vaults, *self.controls]

    def weigh(self, weights: Mapping[str, int], initial: int = 0) -> None:
        """Begin the timeline so, whatever the first command would draw."""
        (self.directory / "history").mkdir(exist_ok=True)
        beginning = {"boot": BOOT_ID.read_text().strip(), "initial": initial, "weights": dict(weights)}
        (self.directory / "begin.json").write_text(json.dumps(beginning))

    def call(self, name: str, controls: Sequence[Control] | None = None, **settings: str) -> Ended:
        """One turn of a command, to its end."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GLITCHGRID_CONTROLS": ",".join(each.address for each in controls or self.controls),
            "GLITCHGRID_VAULTS": ",".join(each.address for each in self.vaults),
            "GLITCHGRID_TIMELINE": str(self.directory),
            "GLITCHGRID_WORKLOAD": str(WORKLOAD),
            "ANTITHESIS_SDK_LOCAL_OUTPUT": str(self.output),
            **settings,
        }
        done = subprocess.run(
            [COMMANDS[name]], env=environment, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stderr.strip())

    def begin(self, name: str, controls: Sequence[Control] | None = None, **settings: str) -> "Future[Ended]":
        """One turn of a command, which goes on meanwhile."""
        return self._pool.submit(self.call, name, controls, **settings)

    def again_and_again(self, *names: str) -> Ended:
        """All of them at once, until one of the first fails, or it is enough."""
        for seed in range(TURNS_MAX):
            turns = [self.begin(name, GLITCHGRID_SEED=f"{seed}-{n}") for n, name in enumerate(names)]
            ended = [turn.result() for turn in turns]
            failed = [each for name, each in zip(names, ended, strict=True) if each.status and name == names[0]]
            if failed:
                return failed[0]
            if self.glitch is None and seed >= 1:
                break
        return ended[0]

    def write(self, value: int, control: int = 0) -> int:
        return ask(self.controls[control].port, "POST", str(value)).status

    def wait_until_all_hold(self, value: int) -> None:
        wait_until(lambda: all(ask(vault.port).body == str(value) for vault in self.vaults), f"all hold {value}")

    def restart_all(self) -> None:
        """kill -9 to everybody, and up again, with what was on the disks."""
        for server in self.all:
            server.kill()
        for server in self.all:
            server.start()
        for server in self.all:
            server.wait_ready()

    def recorded(self) -> list[dict[str, Any]]:
        """Every event that the turns have recorded so far."""
        lines = [
            line for part in (self.directory / "history").glob("*.jsonl") for line in part.read_text().splitlines()
        ]
        return [json.loads(line) for line in lines]

    def broken(self) -> set[str]:
        """The properties of the test commands that did not hold."""
        if not self.output.exists():
            return set()
        events = [json.loads(line) for line in self.output.read_text().splitlines()]
        stated = [event["antithesis_assert"] for event in events if "antithesis_assert" in event]
        must_hold = [each for each in stated if each["assert_type"] == "always" and each["hit"]]
        return {each["message"] for each in must_hold if not each["condition"] and each["message"].startswith("test: ")}


def nothing(rig: Rig) -> Ended:
    """Before there are any faults."""
    return rig.call("first_write.py")


def writers_beside_each_other(rig: Rig) -> Ended:
    rig.weigh(WEIGHTS)
    writer = "parallel_driver_write.py"
    return rig.again_and_again(writer, writer, writer)


def one_vault_has_more(rig: Rig) -> Ended:
    """A write reaches one vault, and is read while that is the only one; then the other two are there, without it."""
    rig.weigh(WEIGHTS)
    first, second = rig.controls
    one, two, three = rig.vaults
    assert rig.write(5) == 200
    rig.wait_until_all_hold(5)
    two.kill()
    three.kill()
    rig.write(6)
    wait_until(lambda: ask(one.port).body == "6", "the one vault has it")
    before = rig.call("parallel_driver_read.py", [second], GLITCHGRID_SEED="1")
    assert before.status == 0
    for server in (first, second, one):
        server.kill()
    for server in (two, three, first):
        server.restart()
    return rig.call("parallel_driver_read.py", [first], GLITCHGRID_SEED="1")


def no_vault_is_there_to_be_asked(rig: Rig) -> Ended:
    """A write that no vault has taken, and a smaller one; then the control that knows of it dies."""
    rig.weigh(WEIGHTS, initial=5)
    assert rig.write(5) == 200
    assert ask(rig.controls[1].port).body == "5"
    rig.wait_until_all_hold(5)
    for vault in rig.vaults:
        vault.kill()
    turn = rig.begin("serial_driver_decrease.py")
    ends = {"decreases", "ambiguous", "failed"}
    wait_until(lambda: sum(event.get("return") in ends for event in rig.recorded()) == 2, "both writes have returned")
    asked = next(event["control"] for event in rig.recorded() if event.get("call") == "write")
    next(control for control in rig.controls if control.address == asked).kill()
    for vault in rig.vaults:
        vault.start()
    return turn.result()


def old_messages(rig: Rig) -> Ended:
    """Beside what is no message at all; one vault is away meanwhile."""
    assert rig.write(5) == 200
    rig.wait_until_all_hold(5)
    rig.vaults[2].kill()
    return rig.again_and_again("parallel_driver_hostile.py")


def _one_vault_has_all(rig: Rig) -> None:
    """Two vaults are away while clients write; then they come back, and the one that was there goes."""
    rig.weigh(ONLY_LARGER)
    first = rig.controls[0]
    one, two, three = rig.vaults
    assert rig.call("parallel_driver_write.py", [first], GLITCHGRID_SEED="1").status == 0
    two.kill()
    three.kill()
    rig.call("parallel_driver_write.py", [first], GLITCHGRID_SEED="2")
    first.kill()
    one.kill()
    two.restart()
    three.restart()


def bounds_of_what_a_minority_held(rig: Rig) -> Ended:
    _one_vault_has_all(rig)
    return rig.call("anytime_bounds.py", [rig.controls[1]])


def history_of_what_a_minority_held(rig: Rig) -> Ended:
    _one_vault_has_all(rig)
    return rig.call("finally_history.py", [rig.controls[1]])


def a_vault_is_killed(rig: Rig) -> Ended:
    assert rig.write(7) == 200
    rig.wait_until_all_hold(7)
    assert rig.call("anytime_vaults.py").status == 0
    rig.vaults[0].kill()
    rig.vaults[0].restart()
    return rig.call("anytime_vaults.py")


def all_are_killed_after_reads(rig: Rig) -> Ended:
    assert rig.write(7) == 200
    assert rig.call("anytime_reads.py").status == 0
    rig.restart_all()
    return rig.call("anytime_reads.py")


def all_are_killed_after_writes(rig: Rig) -> Ended:
    rig.weigh(ONLY_LARGER)
    assert rig.call("parallel_driver_write.py", GLITCHGRID_SEED="1").status == 0
    rig.restart_all()
    return rig.call("eventually_serves_again.py")


def all_are_killed_before_it_is_quiet(rig: Rig) -> Ended:
    rig.weigh(ONLY_LARGER)
    assert rig.call("parallel_driver_write.py", GLITCHGRID_SEED="1").status == 0
    assert rig.call("serial_driver_quiet.py").status == 0, "nobody gives it a quiet period"
    rig.restart_all()
    return rig.call("serial_driver_quiet.py", ANTITHESIS_STOP_FAULTS="true")


def all_are_killed_beside_the_workload(rig: Rig) -> Ended:
    """Between its last write and its last read: a write in between would hide what was forgotten."""
    turn = rig.begin(
        "singleton_driver_workload.sh", NUM_STEPS="2", MAX_STEP_SIZE="1", CHECK_WHEN_MULTIPLE_OF="9", FINAL_DELAY="20"
    )
    wait_until(lambda: ask(rig.controls[0].port).body == "2", "the workload has made its last write")
    rig.restart_all()
    return turn.result()


SCENARIOS: dict[str, tuple[str, Callable[[Rig], Ended], set[str]]] = {
    "first_write.py": (
        "half-is-majority",
        nothing,
        {"test: a write is said to be taken by more than half of all"},
    ),
    "parallel_driver_write.py": (
        "straggler-counts-late",
        writers_beside_each_other,
        {"test: a client reads no less than it knows to be written"},
    ),
    "parallel_driver_read.py": (
        "half-is-majority",
        one_vault_has_more,
        {"test: reads that follow one another do not go back"},
    ),
    "serial_driver_decrease.py": (
        "floor-before-commit",
        no_vault_is_there_to_be_asked,
        {"test: what a refusal names is read from then on"},
    ),
    "parallel_driver_hostile.py": ("ignore-guard", old_messages, {"test: an old store changes nothing"}),
    "anytime_bounds.py": (
        "timeout-counts",
        bounds_of_what_a_minority_held,
        {"test: a read returns no less than what was acknowledged before it"},
    ),
    "anytime_vaults.py": (
        "forget-on-restart",
        a_vault_is_killed,
        {"test: no vault shows less than it has shown before"},
    ),
    "anytime_reads.py": (
        "forget-on-restart",
        all_are_killed_after_reads,
        {"test: no read goes back behind another"},
    ),
    "eventually_serves_again.py": (
        "forget-on-restart",
        all_are_killed_after_writes,
        {"test: nothing that was acknowledged is lost"},
    ),
    "serial_driver_quiet.py": (
        "forget-on-restart",
        all_are_killed_before_it_is_quiet,
        {"test: nothing that was acknowledged is lost"},
    ),
    "finally_history.py": (
        "timeout-counts",
        history_of_what_a_minority_held,
        {"test: the whole history is linearizable"},
    ),
    "singleton_driver_workload.sh": ("forget-on-restart", all_are_killed_beside_the_workload, set()),
}
"""For each command: the glitch that it finds, what else happens, and the properties that break then."""
