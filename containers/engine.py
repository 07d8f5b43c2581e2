"""Docker, or podman in its place: how images are built, containers started, asked and taken away."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from containers.overrides import VAULTS
from containers.running import COMMAND_S, Failed, run, until_ok
from containers.settings import CHECKOUT

BUILD_S = 900.0
READY_S = 60.0
PROJECT = "glitchgrid-container-test"
"""A project name of its own: taking it down must never take the volumes of a grid that somebody runs by hand."""

HOME, PLATFORM = "home", "platform"
COMPOSE_FILES = {HOME: "docker-compose.yml", PLATFORM: "antithesis/docker-compose.yaml"}
ENGINES_OWN = ("dev/", "etc/", "proc/", "run/", "sys/", ".dockerenv")
"""What an engine adds to every container."""


class Engine(ABC):
    """:ivar stack: which of the two compose files it is about."""

    program: str

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.stack = HOME

    def __call__(self, *arguments: str | Path, timeout_s: float = COMMAND_S) -> str:
        """A command of the engine's, and what it says."""
        return run([self.program, *arguments], timeout_s)

    @abstractmethod
    def compose(self, *arguments: str, timeout_s: float = COMMAND_S) -> str:
        """A command of compose's, for the stack."""

    @abstractmethod
    def build(self, target: str, name: str) -> None:
        """Build one target of the Dockerfile by itself."""

    @abstractmethod
    def check_health(self, container: str) -> None:
        """:raises Failed: unless the health check that the container was given succeeds."""

    @abstractmethod
    def start(self, *servers: str) -> None:
        """Start the vaults, and these servers behind them, each once those that it needs are healthy."""

    @abstractmethod
    def take_down(self) -> None:
        """Take away all containers, volumes and networks."""

    def files(self) -> list[str]:
        """What compose is told of the files of the stack."""
        override = self.scratch / f"{self.stack}.yml"
        return ["--project-name", PROJECT, "--file", str(CHECKOUT / COMPOSE_FILES[self.stack]), "--file", str(override)]

    def probe(self, container: str) -> None:
        """The health check of the grid's image, run by hand."""
        self("exec", container, "python", "-m", "glitchgrid.healthcheck")

    def until_healthy(self, containers: Sequence[str]) -> None:
        for name in containers:
            try:
                until_ok(READY_S, lambda name=name: self.check_health(name))  # type: ignore[misc]
            except Failed as error:
                raise Failed(f"{name}: {error}") from error

    def start_again(self, *containers: str) -> None:
        self("start", *containers)

    def exit_status(self, container: str) -> str:
        return self("inspect", "--format", "{{.State.ExitCode}}", container).strip()

    def check_has_ended(self, container: str) -> None:
        """By asking: podman's own "wait" takes 20 s longer where nobody reaps the children of dead processes."""
        if self("inspect", "--format", "{{.State.Running}}", container).strip() != "false":
            raise Failed(f"{container} runs still")

    def files_of(self, image: str) -> str:
        """All files of an image that has no program to list them, but for those that an engine adds."""
        container = self("create", image, "none").split()[-1]
        archive = self.scratch / "image.tar"
        try:
            self("export", "--output", archive, container)
            listed = run(["tar", "--list", "--file", archive]).splitlines()
        finally:
            self("rm", container)
            archive.unlink(missing_ok=True)
        return " ".join(sorted(each for each in listed if not each.endswith("/") and not each.startswith(ENGINES_OWN)))


class Docker(Engine):
    """A Docker engine with compose."""

    program = "docker"

    @classmethod
    def works(cls) -> bool:
        try:
            run(["docker", "info"], 15)
            run(["docker", "compose", "version"], 15)
        except (Failed, OSError):
            return False
        return True

    def compose(self, *arguments: str, timeout_s: float = COMMAND_S) -> str:
        return run(["docker", "compose", *self.files(), *arguments], timeout_s)

    def build(self, target: str, name: str) -> None:
        self("build", "--target", target, "--tag", name, CHECKOUT, timeout_s=BUILD_S)

    def check_health(self, container: str) -> None:
        said = self("inspect", "--format", "{{.State.Health.Status}}", container).strip()
        if said != "healthy":
            raise Failed(f"it is {said}")

    def start(self, *servers: str) -> None:
        # Docker heeds depends_on and the health checks itself: it gets all at once, and that is tested, too.
        self.compose("up", "--detach", "--no-build", "--wait", *servers)

    def take_down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")


class Podman(Engine):
    """Podman, with a storage of its own: everything in it is ours, and can go, but for the images.

    :param compose_program: podman-compose.
    :param build_options: what a build has to be given here.
    """

    program = "podman"

    def __init__(self, scratch: Path, compose_program: Path, build_options: Sequence[str]) -> None:
        super().__init__(scratch)
        self._compose_program = compose_program
        self._build_options = build_options

    def compose(self, *arguments: str, timeout_s: float = COMMAND_S) -> str:
        options = f"--podman-build-args={' '.join(self._build_options)}"
        return run([self._compose_program, *self.files(), options, *arguments], timeout_s)

    def build(self, target: str, name: str) -> None:
        self("build", *self._build_options, "--target", target, "--tag", name, CHECKOUT, timeout_s=BUILD_S)

    def check_health(self, container: str) -> None:
        self("healthcheck", "run", container)

    def start(self, *servers: str) -> None:
        self.compose("up", "--detach", "--no-build", *VAULTS)
        self.until_healthy(VAULTS)
        for group in _in_order(servers):
            self.compose("up", "--detach", "--no-build", "--no-deps", *group)
            self.until_healthy(group)

    def take_down(self) -> None:
        # External: what a build that was interrupted left.
        left = self("ps", "--all", "--external", "--quiet").split()
        if left:
            self("rm", "--force", "--time", "0", *left)
        self("volume", "rm", "--all", "--force")
        self("network", "prune", "--force")
        # What a day of rebuilding has left; younger layers are the next build's cache.
        self("image", "prune", "--force", "--filter", "until=24h")


def _in_order(servers: Sequence[str]) -> list[list[str]]:
    """Controls before the workload, which needs them."""
    controls = [name for name in servers if name.startswith("control")]
    others = [name for name in servers if name not in controls]
    return [group for group in (controls, others) if group]
