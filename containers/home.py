"""The checks of ``docker-compose.yml``: three vaults, a control, and the bash workload."""

import time

from containers.checks import Checks, gives, gives_one_of, has_line, quietly
from containers.engine import BUILD_S, READY_S, Engine
from containers.overrides import HOME_SERVERS
from containers.running import Failed, run, until_ok

WORKLOAD_S = 120.0
STOP_LIMIT_S = 8.0
"""The engine kills after 10, so a server that is down by then went by itself."""

STOP_KILLS_S = 10
KILLED = "137"
COMPLETED = "Test completed with storage in a consistent and correct state."
VAULT_VALUE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8001/', timeout=5).read().decode())"
COMPILERS = ("gcc", "cc", "c++", "g++", "clang")
PYTHON_MIN = (3, 12)
PROBE_S = 10.0


class HomeStack:
    """:param port: where control is published on this machine."""

    def __init__(self, engine: Engine, checks: Checks, port: int) -> None:
        self._engine = engine
        self._checks = checks
        self._url = f"http://127.0.0.1:{port}/"
        self._log = engine.scratch / "workload.log"

    def run(self) -> None:
        """All of it, in this order: what is stopped here is started there."""
        self._come_up()
        self._look_into_the_image()
        self._run_the_workload()
        value = self._break_it()
        self._stop_and_come_back(value)
        self._checks.check("containers and volumes taken away", quietly(lambda: self._compose("down", "--volumes")))

    def _compose(self, *arguments: str, timeout_s: float = BUILD_S) -> str:
        return self._engine.compose(*arguments, timeout_s=timeout_s)

    # Asking control.

    def ask(self, *options: str) -> str:
        """The text of its answer, and the status behind it. No proxy of this machine's has to do with it."""
        quiet = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "6"]
        return run([*quiet, "--write-out", " %{http_code}\\n", *options, self._url])

    def _post(self, value: int) -> str:
        return self.ask("--data", str(value))

    def _value_of(self, vault: str) -> int:
        return int(self._engine("exec", vault, "python", "-c", VAULT_VALUE))

    # The checks.

    def _come_up(self) -> None:
        engine, check = self._engine, self._checks.check
        try:
            self._checks.must(
                "vaults and control come up, and their health checks succeed", lambda: engine.start("control")
            )
        except Exception:
            for name in HOME_SERVERS:
                for line in self._last_words(name):
                    self._checks.say("", f"| {name}: {line}")
            raise
        for name in HOME_SERVERS:
            text = f"{name}: python -m glitchgrid.healthcheck succeeds in the container"
            check(text, lambda name=name: engine.probe(name))  # type: ignore[misc]
        both = ("Sent updates to 2/3 vaults 200", "Sent updates to 3/3 vaults 200")
        check("curl from this machine: POST 7", gives_one_of(both, lambda: self._post(7)))
        check("curl from this machine: GET gives 7", gives("7 200", self.ask))

    def _last_words(self, container: str) -> list[str]:
        try:
            return self._engine("logs", container).splitlines()[-10:]
        except Failed as error:
            return str(error).splitlines()[-1:]

    def _look_into_the_image(self) -> None:
        check = self._checks.check
        check("grid image: does not run as root", lambda: self._user("control"))
        check("grid image: no compiler (gcc, cc, c++, clang)", lambda: self._lacks("control", COMPILERS))
        check("grid image: no pip", lambda: self._lacks("control", ("pip", "pip3")))
        check("grid image: Python 3.12 or newer", self._python)
        check("grid image: twistd starts from its list of plugins", self._plugins_are_listed)

    def _user(self, container: str) -> str:
        number = self._engine("exec", container, "id", "-u").strip()
        if number == "0":
            raise Failed("it runs as root")
        return f"user id {number}"

    def _lacks(self, container: str, tools: tuple[str, ...]) -> None:
        """What it finds is named."""
        found = 'for tool; do if command -v "$tool"; then exit 1; fi; done'
        self._engine("exec", container, "sh", "-c", found, "sh", *tools)

    def _python(self) -> str:
        said = self._engine("exec", "control", "python", "-V").strip()
        version = tuple(int(each) for each in said.removeprefix("Python ").split(".")[:2])
        if version < PYTHON_MIN:
            raise Failed(said)
        return said

    def _plugins_are_listed(self) -> None:
        said = [line for line in self._engine("logs", "control").splitlines() if "plugin cache" in line.lower()]
        if said:
            raise Failed("\n".join(said))

    def _run_the_workload(self) -> None:
        check, engine = self._checks.check, self._engine
        check(
            "workload starts", quietly(lambda: self._compose("up", "--detach", "--no-build", "--no-deps", "workload"))
        )
        text = "workload: python -m glitchgrid.healthcheck succeeds in the container"
        check(text, lambda: until_ok(PROBE_S, lambda: engine.probe("workload")))
        check("workload image: does not run as root", lambda: self._user("workload"))
        check("workload ends with exit status 0", self._workload_ends_well)
        check(f"workload prints: {COMPLETED}", has_line(COMPLETED, self._log))

    def _workload_ends_well(self) -> str:
        try:
            until_ok(WORKLOAD_S, lambda: self._engine.check_has_ended("workload"))
        finally:
            log = self._engine("logs", "workload")
            self._log.write_text(log, encoding="utf-8")
        status = self._engine.exit_status("workload")
        if status != "0":
            raise Failed(f"{log}exit status {status}")
        return f"{sum(line.startswith('HttpStatus=') for line in log.splitlines())} answers"

    def _break_it(self) -> int:
        """Kill one vault, and another one. Returns the value that is there at the end."""
        check, engine = self._checks.check, self._engine
        value = int(self.ask().split()[0])
        check("vault2 killed", quietly(lambda: engine("kill", "vault2")))
        minority, none = ("Sent updates to 2/3 vaults 200",), tuple(f"Sent updates to {n}/3 vaults 500" for n in (0, 1))
        check("a write still answers 200, with 2/3", gives_one_of(minority, lambda: self._post(value + 1)))
        check("vault3 killed too", quietly(lambda: engine("kill", "vault3")))
        check("a write answers 500, with 1/3 at most", gives_one_of(none, lambda: self._post(value + 2)))
        check("a read answers 500, with -1", gives("-1 500", self.ask))
        check("both started again", lambda: engine.start_again("vault2", "vault3"))
        check("both healthy again", lambda: engine.until_healthy(["vault2", "vault3"]))
        check("vault2 kept its value", lambda: self._holds_at_least(value, "vault2"))
        check("vault3 kept its value", lambda: self._holds_at_least(value + 1, "vault3"))
        again = tuple(f"Sent updates to {n}/3 vaults 200" for n in (2, 3))
        written = gives_one_of(again, lambda: self._post(value + 3))
        check("a write answers 200", lambda: until_ok(READY_S, written))
        check("a read gives it back", gives(f"{value + 3} 200", self.ask))
        return value + 3

    def _holds_at_least(self, least: int, vault: str) -> None:
        """Control sends a vault that comes back what it has missed: it may hold more than before by now."""
        held = self._value_of(vault)
        if held < least:
            raise Failed(f"expected: {least} or more\ngot:      {held}")

    def _stop_and_come_back(self, value: int) -> None:
        check, engine = self._checks.check, self._engine
        text = f"the servers stop on SIGTERM, all four in less than {STOP_LIMIT_S:g} s"
        check(text, lambda: self._stop("control", "vault1", "vault2", "vault3"))
        check("containers taken away, volumes kept", quietly(lambda: self._compose("down")))
        check("new containers come up on the old volumes", lambda: engine.start("control"))
        check("a read gives the value from before", gives(f"{value} 200", self.ask))

    def _stop(self, *containers: str) -> str:
        """By SIGTERM and in time."""
        began_s = time.monotonic()
        statuses = []
        for name in containers:
            self._engine("stop", "-t", str(STOP_KILLS_S), name)
            status = self._engine.exit_status(name)
            if status == KILLED:
                raise Failed(f"{name} had to be killed")
            statuses.append(f"{name} {status}")
        took_s = time.monotonic() - began_s
        if took_s >= STOP_LIMIT_S:
            raise Failed(f"it took {took_s:.1f} s")
        return f"exit statuses: {', '.join(statuses)}; {took_s:.0f} s"
