"""``scripts/container-test``: exit status 0 when all checks hold, 1 when one does not, 2 where it cannot be tried."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from containers.checks import Checks, GivenUp
from containers.engine import BUILD_S, HOME, PLATFORM, Docker, Engine, Podman
from containers.home import HomeStack
from containers.overrides import home_override, platform_override
from containers.platform import PlatformStack
from containers.podman import base_image, check_machine, has_image, make_base, podman, unmount
from containers.running import Failed
from containers.settings import CHECKOUT, DOCKER, PODMAN, CannotTry, Settings

GOOD, FAILED, NOT_TRIED = 0, 1, 2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
ADMINISTRATORS = ("/usr/sbin", "/sbin")
"""The tools of an administrator are not on everybody's path."""


def main() -> int:
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMINISTRATORS])
    for number in SIGNALS:
        signal.signal(number, _leave)
    try:
        return _try(Settings.of(os.environ))
    except CannotTry as error:
        print(f"container-test: {error}", file=sys.stderr)
        return NOT_TRIED
    except GivenUp:
        return FAILED


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """What is running is ended on the way, and everything taken down."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _try(settings: Settings) -> int:
    began_s = time.monotonic()
    checks = Checks(lambda line: print(line, flush=True))
    settings.directory.mkdir(parents=True, exist_ok=True)
    with _alone(settings.directory), _taken_down(_engine(settings)) as engine:
        _check_port(settings.port)
        (engine.scratch / f"{HOME}.yml").write_text(home_override(settings), encoding="utf-8")
        (engine.scratch / f"{PLATFORM}.yml").write_text(platform_override(settings), encoding="utf-8")
        if isinstance(engine, Podman):
            _prepare(engine, checks)
        checks.say("...", "building, up to a few minutes the first time")
        checks.must("images built", lambda: _build(engine))
        HomeStack(engine, checks, settings.port).run()
        checks.say("note", "now the stack for Antithesis: two controls, and a workload that waits for test commands")
        PlatformStack(engine, checks).run()
    if checks.failures:
        checks.say("FAILED", f"{checks.failures} of the checks")
        return FAILED
    checks.say("ok", f"everything, in {time.monotonic() - began_s:.0f} s")
    return GOOD


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One at a time. Programs that are run here do not get the lock: what outlives a killed run must not hold it."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotTry(f"another container-test is running in {directory}") from None
        yield


def _engine(settings: Settings) -> Engine:
    if shutil.which("curl") is None:
        raise CannotTry("curl is missing")
    name = settings.engine or (DOCKER if Docker.works() else PODMAN)
    if name == DOCKER:
        if not Docker.works():
            raise CannotTry("no docker engine answers, or it has no compose")
        return Docker(settings.directory)
    check_machine(settings.directory)
    return podman(settings.directory)


@contextlib.contextmanager
def _taken_down(engine: Engine) -> Iterator[Engine]:
    """Nothing is there at the beginning, of a run that was killed, and nothing stays."""
    try:
        _take_down(engine)
        yield engine
    finally:
        _take_down(engine)


def _take_down(engine: Engine) -> None:
    said = ""
    for stack in (HOME, PLATFORM):
        engine.stack = stack
        try:
            engine.take_down()
        except Failed as error:  # there was nothing, or it is told in the log
            said += f"{error}\n"
    engine.stack = HOME
    if isinstance(engine, Podman):
        unmount(engine.scratch)
    (engine.scratch / "take-down.log").write_text(said, encoding="utf-8")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise CannotTry(f"port {port} is in use; CONTAINER_TEST_PORT names another")


def _prepare(engine: Podman, checks: Checks) -> None:
    base = base_image((CHECKOUT / "Dockerfile").read_text(encoding="utf-8"))
    checks.say(
        "note", f"no docker engine: podman, with a minimal Debian (trixie) as a stand-in for the base image {base}"
    )
    if has_image(engine, base):
        checks.say("note", "the stand-in is from an earlier run")
    else:
        checks.say("...", "bootstrapping the stand-in, about a minute")
        checks.must("stand-in for the base image made", lambda: make_base(engine, base))
    checks.say("note", "service_healthy is not asked of podman-compose: services are started here one after the other")


def _build(engine: Engine) -> None:
    """vault1 and workload are the services that say how their image is built; workload's is built upon the other."""
    for service in ("vault1", "workload"):
        engine.compose("build", service, timeout_s=BUILD_S)


if __name__ == "__main__":
    sys.exit(main())
