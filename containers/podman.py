"""What podman needs that Docker would have brought along: settings, storage, a base image, podman-compose."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from containers.engine import BUILD_S, Podman
from containers.running import Failed, run
from containers.settings import CHECKOUT, CannotTry

BOOTSTRAP_S = 900.0
LIMIT_MAX = 20_000
"""Podman's own wish is far higher, and it fails where it may not have it."""

COMPOSE_REQUIREMENT = "podman-compose==1.6.0"
SUITE = "trixie"
"""The release whose Python is the one of the Dockerfile's base."""

TOOLS = ("podman", "runc", "debootstrap", "catatonit", "iptables", "curl")
HELPERS = {"netavark": "/usr/lib/podman/netavark", "aardvark-dns": "/usr/lib/podman/aardvark-dns"}
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy")


def check_machine(scratch: Path) -> None:
    """:raises CannotTry: with the one line that says what is missing, if something is."""
    if os.geteuid() != 0:
        raise CannotTry("there is no docker engine here, and podman in its place needs root")
    os_release = Path("/etc/os-release")
    if not os_release.exists() or "ID=debian" not in os_release.read_text(encoding="utf-8").splitlines():
        raise CannotTry("there is no docker engine here, and the way without one is made for Debian")
    missing = [each for each in TOOLS if shutil.which(each) is None]
    missing += [name for name, path in HELPERS.items() if not os.access(path, os.X_OK)]
    if not Path(CERTIFICATES).exists():
        missing.append("ca-certificates")
    if subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
        missing.append("python3-venv")
    if missing:
        raise CannotTry(f"missing packages, as root: apt-get install --no-install-recommends {' '.join(missing)}")
    if any(each.isspace() for each in str(scratch)):
        raise CannotTry("debootstrap cannot work under a path with spaces; CONTAINER_TEST_DIR names another")


def podman(scratch: Path) -> Podman:
    """Podman, ready to be used. Its settings are this process's environment from now on."""
    (scratch / "storage.conf").write_text(storage_conf(scratch, storage_driver(scratch)), encoding="utf-8")
    (scratch / "containers.conf").write_text(containers_conf(scratch), encoding="utf-8")
    os.environ.update(
        CONTAINERS_CONF=str(scratch / "containers.conf"),
        CONTAINERS_STORAGE_CONF=str(scratch / "storage.conf"),
        BUILDAH_FORMAT="docker",  # podman's default image format has no HEALTHCHECK
        DISABLE_HC_SYSTEMD="true",  # podman makes systemd run the health checks; here it is done by hand
    )
    bundle = pip_setting("cert") or os.environ.get("SSL_CERT_FILE", CERTIFICATES)
    settings = {key: value for key in PIP_KEYS if (value := pip_setting(key)) is not None}
    (scratch / "pip.conf").write_text(pip_conf(settings), encoding="utf-8")
    options = [
        *("--layers", "--isolation=chroot", "--pull=never", "--network=host"),
        f"--volume={scratch}/pip.conf:/etc/pip.conf:ro",
        f"--volume={bundle}:{CERTIFICATES}:ro",
    ]
    return Podman(scratch, compose_program(scratch), options)


def storage_conf(scratch: Path, driver: str) -> str:
    return (
        f'[storage]\ndriver = "{driver}"\ngraphroot = "{scratch}/storage"\nrunroot = "{scratch}/run/storage"\n'
        '[storage.options.overlay]\nskip_mount_home = "true"\n'
    )


def containers_conf(scratch: Path) -> str:
    """Neither systemd nor shared memory of the machine: nothing but files under the scratch directory. runc, because
    crun fails where control groups are of version 1."""
    files, processes = limit_of(resource.RLIMIT_NOFILE), limit_of(resource.RLIMIT_NPROC)
    return "\n".join(
        [
            "[containers]",
            f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]',
            "[engine]",
            'cgroup_manager = "cgroupfs"',
            'events_logger = "file"',
            'lock_type = "file"',
            'runtime = "runc"',
            f'static_dir = "{scratch}/libpod"',
            f'tmp_dir = "{scratch}/run/libpod"',
            f'volume_path = "{scratch}/volumes"',
            "[network]",
            'network_backend = "netavark"',
            f'network_config_dir = "{scratch}/networks"',
            "",
        ]
    )


def limit_of(kind: int) -> int:
    """`LIMIT_MAX`, or what this machine allows if that is less."""
    _, hard = resource.getrlimit(kind)
    return LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, LIMIT_MAX)


def storage_driver(scratch: Path) -> str:
    """Overlay mounts are four times as fast and a seventh of the size, but not every file system can carry them."""
    place = scratch / "overlay-try"
    try:
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", options, place / "merged"])
        run(["umount", place / "merged"])
    except Failed:
        return "vfs"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return "overlay"


def pip_setting(key: str) -> str | None:
    """What pip on this machine uses for a key, by its environment or else by its configuration."""
    for place in (f":env:.{key}", f"global.{key}"):
        with contextlib.suppress(Failed):
            return run([sys.executable, "-m", "pip", "config", "get", place]).strip()
    return None


def pip_conf(settings: Mapping[str, str]) -> str:
    """A build sees nothing of this machine's settings, but has to reach the same package index by the same
    certificates. Both are mounted for the time of the build, so that nothing of them stays in an image."""
    lines = ["[global]", f"cert = {CERTIFICATES}"]
    for key, value in settings.items():
        # A directory of this machine is not there in the build.
        kept = [each for each in value.split() if not each.startswith("file:")]
        if kept:
            lines.append(f"{key} = {' '.join(kept)}")
    return "\n".join(lines) + "\n"


def compose_program(scratch: Path) -> Path:
    """The checkout's podman-compose, if its environment has one; else one in an environment of its own.

    :raises CannotTry: where it cannot be installed.
    """
    for program in (CHECKOUT / ".venv/bin/podman-compose", scratch / "venv/bin/podman-compose"):
        if os.access(program, os.X_OK):
            return program
    shutil.rmtree(scratch / "venv", ignore_errors=True)
    try:
        run([sys.executable, "-m", "venv", scratch / "venv"])
        run([scratch / "venv/bin/pip", "install", "--quiet", COMPOSE_REQUIREMENT], BUILD_S)
    except Failed as error:
        raise CannotTry(f"podman-compose could not be installed: {str(error).splitlines()[-1]}") from error
    return scratch / "venv/bin/podman-compose"


def base_image(dockerfile: str) -> str:
    """The image that the Dockerfile builds upon."""
    found = re.search(r"^FROM\s+(\S+)", dockerfile, re.MULTILINE | re.IGNORECASE)
    assert found, "a Dockerfile begins with FROM"
    return found[1]


def has_image(engine: Podman, name: str) -> bool:
    try:
        engine("image", "exists", name)
    except Failed:
        return False
    return True


def make_base(engine: Podman, name: str) -> None:
    """A minimal Debian, with the name "python" as the Dockerfile's base has it."""
    root, archive = engine.scratch / "base", engine.scratch / "base.tar"
    unmount(engine.scratch)
    shutil.rmtree(root, ignore_errors=True)
    included = "ca-certificates,python-is-python3,python3,python3-venv"
    try:
        mirror = debian_mirror()
        bootstrap: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={included}", SUITE, root]
        run([*bootstrap, *([mirror] if mirror else [])], BOOTSTRAP_S)
        for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*"):
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        run(["tar", "--create", "--file", archive, "--directory", root, "."], BUILD_S)
        engine("import", archive, name, timeout_s=BUILD_S)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        archive.unlink(missing_ok=True)


def debian_mirror() -> str | None:
    """The archive that apt on this machine uses. apt only knows whose archive it is once it has fetched the lists."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    for whose in ("Origin: Debian", "Label: Debian"):
        with contextlib.suppress(Failed):
            found = run([*targets, whose]).split()
            if found:
                return found[0]
    return None


def unmount(scratch: Path) -> None:
    """What lies mounted under the scratch directory, the innermost first."""
    for point in sorted(mounted_under(scratch), reverse=True):
        with contextlib.suppress(Failed):
            run(["umount", point])


def mounted_under(scratch: Path) -> Iterator[str]:
    """As the kernel lists it: spaces in paths are written as octal numbers."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        point = line.split(" ")[1].replace("\\040", " ")
        if point.startswith(f"{scratch}/"):
            yield point
