"""The checks of ``antithesis/docker-compose.yaml``: two controls, and a workload that waits for test commands."""

import re

from containers.checks import Checks, gives, has_line, quietly
from containers.engine import PLATFORM, READY_S, Engine
from containers.overrides import TIMELINE
from containers.running import COMMAND_S, Failed, running, until_ok
from containers.settings import CHECKOUT

COMMANDS = "/opt/antithesis/test/v1"
CATALOGUE = "/opt/antithesis/catalog"
PROPERTIES_MIN = 60
COUNT = "from antithesis.catalog import load; print(len(load('/opt/antithesis/catalog/catalog.json')), 'properties')"
BEFORE_THE_KILL = (
    *("first_write", "parallel_driver_write", "parallel_driver_read", "parallel_driver_hostile"),
    *("serial_driver_decrease", "anytime_bounds", "anytime_vaults"),
)
AFTER_THE_KILL = ("anytime_vaults", "finally_history", "eventually_serves_again")


def image_named(variable: str) -> str:
    """The image that antithesis/.env gives this name."""
    text = (CHECKOUT / "antithesis" / ".env").read_text(encoding="utf-8")
    found = re.search(rf"^{variable}=(\S+)", text, re.MULTILINE)
    assert found, variable
    return found[1]


class PlatformStack:
    """Is run after the other stack, whose images it takes."""

    def __init__(self, engine: Engine, checks: Checks) -> None:
        self._engine = engine
        self._checks = checks
        self._report = engine.scratch / "report.txt"

    def run(self) -> None:
        """All of it, in this order: the report is of what the test commands have done."""
        self._engine.stack = PLATFORM
        self._build()
        self._come_up()
        self._call_the_commands()
        self._checks.check("grid image: a vault runs on a read-only root", self._runs_on_a_read_only_root)

    def _in_workload(self, *command: str) -> str:
        """As Test Composer calls a test command, in the container that waits for it."""
        return self._engine("exec", "workload", *command)

    def _build(self) -> None:
        check, engine = self._checks.check, self._engine
        check("config images built", self._build_config)
        both = gives(".env docker-compose.yaml", lambda: engine.files_of("config"))
        check("config image: the compose file and its variables, nothing else", both)
        manifests = "manifests/control.yaml manifests/vaults.yaml manifests/workload.yaml"
        found = gives(manifests, lambda: engine.files_of("config-kubernetes"))
        check("config image for Kubernetes: the manifests, nothing else", found)

    def _build_config(self) -> None:
        self._engine("tag", "glitchgrid", image_named("GLITCHGRID_IMAGE"))
        self._engine("tag", "glitchgrid-workload", image_named("GLITCHGRID_WORKLOAD_IMAGE"))
        for target in ("config", "config-kubernetes"):
            self._engine.build(target, target)

    def _come_up(self) -> None:
        check, engine = self._checks.check, self._engine
        text = "all six containers come up, and their health checks succeed"
        check(text, lambda: engine.start("control1", "control2", "workload"))
        check("control is launched by python -m antithesis", self._is_launched)
        check("the catalogue is at its place", self._catalogued)
        check("the sources are linked beside it", quietly(self._sources_are_linked))
        check("test commands: each is executable and says what runs it", gives("", self._not_callable))

    def _is_launched(self) -> None:
        said = self._engine("top", "control1", "args")
        if "python -m antithesis" not in said:
            raise Failed(said)

    def _catalogued(self) -> str:
        # The last line: the SDK itself says on standard output where it writes.
        said = self._in_workload("python", "-c", COUNT).splitlines()[-1]
        if int(said.split()[0]) <= PROPERTIES_MIN:
            raise Failed(said)
        return said

    def _sources_are_linked(self) -> str:
        """What Antithesis reads there are the sources themselves."""
        source, commands = f"{CATALOGUE}/glitchgrid/protocol/rounds.py", f"{CATALOGUE}/test/register"
        return self._in_workload("test", "-f", source, "-a", "-d", commands)

    def _not_callable(self) -> str:
        """The test commands that nobody could call: none, where all is well."""
        script = 'find "$1" -type f ! -perm -005; grep -L "^#!" "$1"/*/* || true'
        return self._in_workload("sh", "-c", script, "sh", COMMANDS)

    def _call_the_commands(self) -> None:
        check = self._checks.check
        for name in BEFORE_THE_KILL:
            self._check_command(f"register/{name}.py")
        text = "test command register/parallel_driver_write.py, a vault killed beside it: 0"
        check(text, self._driver_beside_a_kill)
        for name in AFTER_THE_KILL:
            self._check_command(f"register/{name}.py")
        check("the report of the workload's own output: 0", self._report_holds)
        linearizable = "history of glitchgrid-timeline: linearizable"
        check("it says that the history is linearizable", has_line(linearizable, self._report))
        short = lambda: self._engine(  # noqa: E731 - as the others, with a variable
            "exec", "--env", "NUM_STEPS=5", "workload", f"{COMMANDS}/curl/singleton_driver_workload.sh"
        )
        check("test command curl/singleton_driver_workload.sh: 0", quietly(short))
        for name in ("anytime_reads", "eventually_serves_again"):
            self._check_command(f"curl/{name}.py")

    def _check_command(self, name: str) -> None:
        self._checks.check(f"test command {name}: 0", quietly(lambda: self._in_workload(f"{COMMANDS}/{name}")))

    def _driver_beside_a_kill(self) -> None:
        """A driver, and a vault that is killed and comes back beside it."""
        driver = [self._engine.program, "exec", "workload", f"{COMMANDS}/register/parallel_driver_write.py"]
        with running(driver) as process:
            self._engine("kill", "vault2")
            self._engine.start_again("vault2")
            said, _ = process.communicate(timeout=COMMAND_S)
        self._engine.until_healthy(["vault2"])
        if process.returncode:
            raise Failed(said)

    def _report_holds(self) -> None:
        """What the workload's own properties and history come to; the report stays for the next check."""
        try:
            said = self._in_workload("glitchgrid", "report", TIMELINE)
        except Failed as error:
            self._report.write_text(str(error), encoding="utf-8")
            raise
        self._report.write_text(said, encoding="utf-8")

    def _runs_on_a_read_only_root(self) -> None:
        """As the Kubernetes manifests have it."""
        data = "/var/lib/glitchgrid"
        options = ["--detach", "--name", "read-only", "--read-only", "--volume", f"read-only:{data}"]
        health = "GLITCHGRID_HEALTH_URL=http://127.0.0.1:8001/livez"
        vault = ["vault", "--port", "8001", "--data-dir", f"{data}/data"]
        self._engine("run", *options, "--env", health, image_named("GLITCHGRID_IMAGE"), *vault)
        until_ok(READY_S, lambda: self._engine.probe("read-only"))
