"""The pieces of ``scripts/container-test``, over an engine that answers as a good grid does, or does not."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from containers import __main__ as program
from containers import home, podman
from containers.checks import Checks, GivenUp, gives, gives_one_of, has_line
from containers.engine import Docker, Engine, Podman
from containers.home import COMPLETED, HomeStack
from containers.overrides import home_override, platform_override
from containers.platform import PlatformStack
from containers.podman import (
    base_image,
    check_machine,
    containers_conf,
    limit_of,
    mounted_under,
    pip_conf,
    storage_conf,
)
from containers.running import Failed, run, running, until_ok
from containers.settings import CHECKOUT, CannotTry, Settings


class TestSettings:
    def test_what_is_not_asked_for(self) -> None:
        assert Settings.of({}) == Settings(CHECKOUT / ".container-test")

    def test_what_is(self, tmp_path: Path) -> None:
        asked = {
            "CONTAINER_TEST_DIR": str(tmp_path),
            "CONTAINER_TEST_PORT": "9000",
            "CONTAINER_TEST_ENGINE": "podman",
            "CONTAINER_TEST_GLITCH": "torn-write",
        }
        assert Settings.of(asked) == Settings(tmp_path, 9000, "podman", "torn-write")

    @pytest.mark.parametrize(("name", "text"), [("PORT", "0"), ("PORT", "65536"), ("PORT", "x"), ("ENGINE", "lxc")])
    def test_what_is_none(self, name: str, text: str) -> None:
        with pytest.raises(CannotTry, match=f"CONTAINER_TEST_{name} is .*{text}"):
            Settings.of({f"CONTAINER_TEST_{name}": text})


class TestRunning:
    def test_what_it_says(self) -> None:
        assert run(["sh", "-c", "echo out; echo err >&2"]) == "out\nerr\n"

    def test_a_failure_is_what_it_said(self) -> None:
        with pytest.raises(Failed, match="no good"):
            run(["sh", "-c", "echo no good; exit 3"])
        with pytest.raises(Failed, match="status 3"):
            run(["sh", "-c", "exit 3"])

    def test_a_deadline_ends_all_of_it(self, tmp_path: Path) -> None:
        began_s = time.monotonic()
        with pytest.raises(Failed, match=r"had not ended after 0\.5 s"):
            run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], 0.5)
        assert time.monotonic() - began_s < 10
        child = int((tmp_path / "child").read_text())
        until_ok(5, lambda: _must(not Path(f"/proc/{child}").exists()))

    def test_a_block_ends_it(self) -> None:
        with running(["sleep", "60"]) as process:
            pass
        assert process.returncode == -signal.SIGTERM

    def test_again_and_again(self) -> None:
        tries: list[int] = []

        def third() -> None:
            tries.append(1)
            _must(len(tries) == 3)

        until_ok(30, third)
        with pytest.raises(Failed):
            until_ok(0, lambda: _must(False))


def _must(condition: bool) -> None:
    if not condition:
        raise Failed("not yet")


class TestChecks:
    def told(self, attempt: Callable[[], str | None]) -> list[str]:
        lines: list[str] = []
        Checks(lines.append).check("it holds", attempt)
        return lines

    def test_a_line_each(self) -> None:
        assert self.told(lambda: None) == ["ok      it holds"]
        assert self.told(lambda: "well") == ["ok      it holds (well)"]

    def test_a_failure_shows_the_end_of_what_was_said(self) -> None:
        def fail() -> None:
            raise Failed("\n".join(str(number) for number in range(100)))

        lines = self.told(fail)
        assert lines[0] == "FAILED  it holds"
        assert lines[1:] == [f"        | {number}" for number in range(75, 100)]

    def test_what_all_depends_on(self) -> None:
        checks = Checks(lambda _line: None)
        with pytest.raises(GivenUp):
            checks.must("it holds", lambda: _must(False))
        assert checks.failures == 1

    def test_comparisons(self, tmp_path: Path) -> None:
        gives("7 200", lambda: "7 200\n")()
        gives_one_of(("a", "b"), lambda: "b")()
        (tmp_path / "log").write_text("one\nand two\n", encoding="utf-8")
        has_line("two", tmp_path / "log")()
        for compared in (
            gives("7", lambda: "8"),
            gives_one_of(("a", "b"), lambda: "c"),
            has_line("3", tmp_path / "log"),
        ):
            with pytest.raises(Failed):
                compared()


class TestOverrides:
    def read(self, text: str) -> dict[str, Any]:
        yaml = YAML(typ="rt")
        services: dict[str, Any] = yaml.load(text)["services"]
        return services

    def test_small_loads(self, tmp_path: Path) -> None:
        services = self.read(home_override(Settings(tmp_path)))
        assert list(services) == ["workload"]
        assert services["workload"]["environment"]["NUM_STEPS"] == "20"

    def test_another_port(self, tmp_path: Path) -> None:
        assert "!override ['127.0.0.1:9000:8000']" in home_override(Settings(tmp_path, 9000))

    @pytest.mark.parametrize("override", [home_override, platform_override])
    def test_a_glitch_in_all_servers(self, override: Callable[[Settings], str], tmp_path: Path) -> None:
        services = self.read(override(Settings(tmp_path, glitch="torn-write")))
        with_it = {name for name, service in services.items() if "torn-write" in service.get("entrypoint", ())}
        assert with_it == set(services) - {"workload"}
        assert len(with_it) >= 4


class TestPodman:
    def test_the_base_of_the_dockerfile(self) -> None:
        assert base_image((CHECKOUT / "Dockerfile").read_text(encoding="utf-8")).startswith("python:3.")

    def test_its_files_stay_under_the_directory(self, tmp_path: Path) -> None:
        for text in (storage_conf(tmp_path, "overlay"), containers_conf(tmp_path)):
            paths = [line.split('"')[1] for line in text.splitlines() if '"/' in line]
            assert paths
            assert all(path.startswith(str(tmp_path)) for path in paths)

    def test_limits_are_what_the_machine_allows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for hard, limit in ((resource.RLIM_INFINITY, 20_000), (1024, 1024), (10**6, 20_000)):
            monkeypatch.setattr(resource, "getrlimit", lambda _kind, hard=hard: (1, hard))
            assert limit_of(resource.RLIMIT_NOFILE) == limit

    def test_a_build_reaches_the_same_index_and_no_directory_of_this_machine(self) -> None:
        text = pip_conf({"index-url": "https://index/", "extra-index-url": "file:/here\nhttps://more/ file:/there"})
        assert text.splitlines()[2:] == ["index-url = https://index/", "extra-index-url = https://more/"]
        assert "extra-index-url" not in pip_conf({"extra-index-url": "file:/here"})

    def test_what_is_missing_is_one_line(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(CannotTry, match="needs root"):
            check_machine(tmp_path)

    def test_missing_packages(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(podman, "TOOLS", ("sh", "no-such-tool"))
        monkeypatch.setattr(podman, "HELPERS", {"netavark": "/nowhere"})
        monkeypatch.setattr(podman, "Path", lambda path: _OsRelease() if path == "/etc/os-release" else Path(path))
        with pytest.raises(CannotTry, match="apt-get install --no-install-recommends no-such-tool netavark"):
            check_machine(tmp_path)

    def test_what_is_mounted(self) -> None:
        assert "/proc" not in list(mounted_under(Path("/proc")))
        assert list(mounted_under(Path("/nowhere"))) == []


class _OsRelease:
    def exists(self) -> bool:
        return True

    def read_text(self, encoding: str) -> str:
        return "NAME=x\nID=debian\n"


class Grid:
    """What a good grid says, to whoever asks by the engine or by curl; `broken` says what is not good about it."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.value = 0
        self.down: set[str] = set()
        self.told: list[str] = []

    def engine(self, scratch: Path) -> Engine:
        grid = self

        class Fake(Docker):
            def __call__(self, *arguments: Any, timeout_s: float = 0) -> str:
                return grid.answer([str(each) for each in arguments])

            def compose(self, *arguments: str, timeout_s: float = 0) -> str:
                grid.told.append(" ".join(arguments))
                return ""

            def files_of(self, image: str) -> str:
                manifests = "manifests/control.yaml manifests/vaults.yaml manifests/workload.yaml"
                return manifests if image == "config-kubernetes" else ".env docker-compose.yaml"

        return Fake(scratch)

    def answer(self, arguments: list[str]) -> str:
        line = " ".join(arguments)
        self.told.append(line)
        if arguments[0] in {"kill", "start"}:
            (self.down.update if arguments[0] == "kill" else self.down.difference_update)(arguments[1:])
        answers = {
            "id -u": "0" if self.broken == "root" else "10001",
            "python -V": "Python 3.13.5",
            "{{.State.Health.Status}}": "healthy",
            "{{.State.Running}}": "false",
            "{{.State.ExitCode}}": "137" if self.broken == "killed" and "control" in line else "0",
            "logs workload": f"HttpStatus=200 x\n{COMPLETED}\n",
            "127.0.0.1:8001": "0" if self.broken == "forgets" else str(self.value),
            "top control1": "python -m antithesis",
            "antithesis.catalog": "said\n74 properties",
            "glitchgrid report": "history of glitchgrid-timeline: linearizable",
        }
        if self.broken == "commands" and "parallel_driver_read" in line:
            raise Failed("a read went back")
        return next((answer for part, answer in answers.items() if part in line), "")

    def ask(self, *options: str) -> str:
        up = 3 - len(self.down)
        if not options:
            return f"{self.value} 200" if up > 1 else "-1 500"
        self.value = int(options[-1])
        return f"Sent updates to {up}/3 vaults {200 if up > 1 else 500}"


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Grid], tuple[list[str], int]]:
    """Goes through both stacks; what is printed, and how many checks have failed."""

    def go_through(grid: Grid) -> tuple[list[str], int]:
        lines: list[str] = []
        checks = Checks(lines.append)
        monkeypatch.setattr(HomeStack, "ask", lambda _self, *options: grid.ask(*options))
        monkeypatch.setattr("containers.platform.running", lambda _argv: running(["true"]))
        engine = grid.engine(tmp_path)
        HomeStack(engine, checks, 8000).run()
        PlatformStack(engine, checks).run()
        return lines, checks.failures

    return go_through


def test_a_good_grid_passes(tried: Callable[[Grid], tuple[list[str], int]]) -> None:
    lines, failures = tried(Grid())
    assert failures == 0, lines
    assert len([line for line in lines if line.startswith("ok ")]) > 50


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("root", "grid image: does not run as root"),
        ("killed", "the servers stop on SIGTERM, all four in less than 8 s"),
        ("forgets", "vault2 kept its value"),
        ("commands", "test command register/parallel_driver_read.py: 0"),
    ],
)
def test_what_is_broken_is_told(broken: str, line: str, tried: Callable[[Grid], tuple[list[str], int]]) -> None:
    lines, failures = tried(Grid(broken))
    assert failures > 0
    assert f"FAILED  {line}" in lines


def test_a_server_that_stops_late(
    tried: Callable[[Grid], tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "STOP_LIMIT_S", 0.0)
    lines, _ = tried(Grid())
    assert "FAILED  the servers stop on SIGTERM, all four in less than 0 s" in lines


def test_podman_starts_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def compose(_engine: Podman, *arguments: str, **_options: float) -> str:
        told.append(" ".join(arguments))
        return ""

    monkeypatch.setattr(Podman, "compose", compose)
    monkeypatch.setattr(Podman, "until_healthy", lambda _self, containers: told.append(f"until {' '.join(containers)}"))
    Podman(tmp_path, Path("podman-compose"), []).start("workload", "control1", "control2")
    assert told == [
        "up --detach --no-build vault1 vault2 vault3",
        "until vault1 vault2 vault3",
        "up --detach --no-build --no-deps control1 control2",
        "until control1 control2",
        "up --detach --no-build --no-deps workload",
        "until workload",
    ]


class TestProgram:
    def call(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        # Without any package: it is run where no environment has been made yet.
        command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n{START}"]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
        )

    def test_bad_settings_are_one_line(self, tmp_path: Path) -> None:
        done = self.call(CONTAINER_TEST_PORT="none", CONTAINER_TEST_DIR=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "container-test: CONTAINER_TEST_PORT is a port from 1 to 65535, not none\n"

    def test_one_at_a_time(self, tmp_path: Path) -> None:
        with program._alone(tmp_path):
            done = self.call(CONTAINER_TEST_DIR=str(tmp_path), CONTAINER_TEST_ENGINE="podman")
        assert done.returncode == 2
        assert done.stderr == f"container-test: another container-test is running in {tmp_path}\n"


START = "from containers.__main__ import main; sys.exit(main())"
