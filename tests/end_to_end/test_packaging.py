"""The wheel: what it carries, what it must not carry, and that twistd finds it from anywhere."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.processes import ask, some_of
from tests.end_to_end.test_commands import free_ports_in_a_row

ROOT = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 120
PAGE_PARTS = {".js", ".css", ".j2"}
SOURCES = ["glitchgrid", "twisted", "workload"]
LEFT = shutil.ignore_patterns("__pycache__", "*.cache", "*.so")
NATIVE = "glitchgrid/simulation/native"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, timeout=BUILD_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that nothing is left in the checkout and nothing left in it is picked up."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    for directory in SOURCES:
        shutil.copytree(ROOT / directory, source / directory, ignore=LEFT)
    for file in ["setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"]:
        shutil.copy(ROOT / file, source)
    return source


def build(source: Path, wheels: Path) -> Path:
    """Build anew, and say nothing of it: that what is optional cannot be built is no news."""
    shutil.rmtree(source / "build", ignore_errors=True)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    assert run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", wheels, source, cwd=source.parent) == ""
    (made,) = wheels.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return build(source, source.parent / "wheels")


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Path:
    """A virtual environment with the wheel, and behind it this one's packages: but not this one's checkout."""
    directory = wheel.parent.parent / "environment"
    venv.create(directory, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)}))
    (packages / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--ignore-installed"]
    run(sys.executable, "-m", "pip", "--python", directory, "install", *options, wheel, cwd=directory)
    return directory


def test_what_the_wheel_carries(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "glitchgrid").rglob("*.py")}
    assert modules <= set(entries)
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "glitchgrid").rglob("*.*") if path.suffix in PAGE_PARTS}
    assert len(pages) > 5
    assert pages <= set(entries)
    assert {"glitchgrid/py.typed", "twisted/plugins/glitchgrid_plugin.py"} <= set(entries)
    # These two are Twisted's own, and would be written over.
    assert not {"twisted/__init__.py", "twisted/plugins/__init__.py"} & set(entries)
    (workload,) = (
        entry for name, entry in entries.items() if name.endswith(".data/data/share/glitchgrid/workload/workload.sh")
    )
    assert (workload.external_attr >> 16) & stat.S_IXUSR
    tops = {name.split("/")[0] for name in entries}
    assert {top for top in tops if not top.startswith("glitchgrid-")} == {"glitchgrid", "twisted"}
    assert {name for name in entries if name.startswith("twisted/")} == {"twisted/plugins/glitchgrid_plugin.py"}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="builds the C part: apt-get install gcc libc6-dev")
def test_the_wheel_has_the_c_part_for_every_python(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if name.startswith(NATIVE)}
    assert carried == {f"{NATIVE}/{name}" for name in ("__init__.py", "glitchgrid_native.so", "openssl.cnf")}
    assert "-py3-none-linux" in wheel.name


def test_without_a_compiler_the_rest_is_installed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/bin/false")
    with zipfile.ZipFile(build(source, source.parent / "without")) as archive:
        carried = {name for name in archive.namelist() if name.startswith(NATIVE)}
    assert carried == {f"{NATIVE}/{name}" for name in ("__init__.py", "openssl.cnf")}


@pytest.mark.parametrize("program", ["vault", "control"])
def test_twistd_finds_the_installed_package_from_anywhere(environment: Path, program: str, tmp_path: Path) -> None:
    twistd = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
    page = run(environment / "bin" / "python", "-P", "-c", twistd, program, "--help", cwd=tmp_path)
    assert "--listen" in page
    assert f"{program} [--port PORT | --listen ENDPOINT]" in page
    where = run(
        environment / "bin" / "python", "-P", "-c", "import glitchgrid; print(glitchgrid.__file__)", cwd=tmp_path
    )
    assert Path(where.strip()).is_relative_to(environment)


def test_installed_workload_and_command(environment: Path) -> None:
    script = environment / "share" / "glitchgrid" / "workload" / "workload.sh"
    assert os.access(script, os.X_OK)
    assert script.read_bytes() == (ROOT / "workload" / "workload.sh").read_bytes()
    assert os.access(environment / "bin" / "glitchgrid", os.X_OK)


def test_installed_test_commands(environment: Path) -> None:
    installed = environment / "share" / "glitchgrid" / "workload" / "templates"
    ours = ROOT / "workload" / "templates"
    files = sorted(path.relative_to(ours) for path in ours.glob("*/*_*"))
    assert len(files) > 10
    assert sorted(path.relative_to(installed) for path in installed.glob("*/*") if path.is_file()) == files
    assert all(os.access(installed / file, os.X_OK) for file in files)
    done = subprocess.run(
        [environment / "bin" / "glitchgrid", "rehearse", "--template", "nosuch"],
        capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.stderr == f"glitchgrid: there is no template 'nosuch' in {installed}: it has curl, register\n"


def installed(how: str, wheel: Path, where: Path) -> tuple[Path, dict[str, str]]:
    """Install the wheel outside a virtual environment: its command, and the environment in which that finds itself.

    Its dependencies are those of the environment that runs the tests.
    """
    python = Path(getattr(sys, "_base_executable", sys.executable))
    settings = {"PATH": os.defpath, "HOME": str(where), "PYTHONUSERBASE": str(where)}
    options = {"user": ["--user"], "prefix": ["--prefix", str(where)], "target": ["--target", str(where)]}[how]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--quiet", "--break-system-packages", "--no-warn-script-location", str(wheel)],
        env=settings, capture_output=True, check=True, timeout=BUILD_TIMEOUT_S,
    )  # fmt: skip
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = where if how == "target" else where / "lib" / version / "site-packages"
    settings["PYTHONPATH"] = os.pathsep.join([str(packages), sysconfig.get_path("purelib")])
    return where / "bin" / "glitchgrid", settings


@pytest.mark.parametrize("how", some_of(["user", "prefix", "target"], "user"))
def test_it_runs_however_it_was_installed(how: str, wheel: Path, tmp_path: Path) -> None:
    """With its commands off the PATH, too: it needs no program beside it to start a server."""
    command, settings = installed(how, wheel, tmp_path / "there")
    find = "from glitchgrid.lab.register.processes.workload import find_workload; print(find_workload())"
    shebang = command.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    found = subprocess.run(
        [shebang, "-c", find], env=settings, capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.strip()
    assert Path(found).is_relative_to(tmp_path / "there")
    port = free_ports_in_a_row()
    process = subprocess.Popen(
        [command, "up", "--port", str(port)], env=settings, cwd=tmp_path, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "Starting 3 vaults and a control.\n"
        assert process.stdout.readline() == f"Try: curl -d 7 http://127.0.0.1:{port}/\n"
        assert ask(port, "POST", "7").status == 200
    finally:
        process.terminate()
        process.communicate(timeout=BUILD_TIMEOUT_S)
    assert process.returncode == 0


def test_python_m_is_the_command(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "bin" / "python", "-P", "-m", "glitchgrid", "--version", cwd=tmp_path)
    assert said == run(environment / "bin" / "glitchgrid", "--version", cwd=tmp_path)


def test_the_source_distribution_is_the_checkout(tmp_path: Path) -> None:
    """What is tested here can be tested there: no test without its helpers, no file without what it is held against."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no git checkout (git clone the repository)")
    files = {name for name in done.stdout.splitlines() if (ROOT / name).exists()}
    source = tmp_path / "source"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=source)
    (archive,) = (source / "dist").iterdir()
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert files - names == set()
