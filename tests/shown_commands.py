"""The command lines that the documentation shows: in blocks of the language ``console``, behind ``$``."""

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: str(page.relative_to(ROOT)),
)
FENCED = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+# .*$")
PROGRAM = re.compile(
    r"(\$ )?(glitchgrid|make|curl|docker|twistd|pip|pytest|apt-get|python|dask) "
    r"|(\$ )?(scripts|workload|\.venv|\.ci)/\w"
)
ASIDE = re.compile(r"^<!-- (.*?) -->$", re.MULTILINE)

TAKES_LONG = "takes from some minutes to an hour"
NEEDS_ANOTHER_MACHINE = "needs machines of these addresses"
IS_RUN_BY_CI = "is a step of CI itself, or what a step consists of"
NEEDS_DOCKER = "needs a Docker engine"
FOUND = "tests/test_guide.py runs it, and looks at what it says"
REHEARSED = "takes long; tests/end_to_end/test_rehearse_system.py does the same, with faults of its own plan"
CHANGES_THE_MACHINE = "installs packages, or changes the checkout"

NOT_RUN = {
    "apt-get install git make bash curl python3 python3-venv": CHANGES_THE_MACHINE,
    "make demo": IS_RUN_BY_CI,
    "NUM_STEPS=20 make demo": IS_RUN_BY_CI,
    "make setup": IS_RUN_BY_CI,
    "make lint": IS_RUN_BY_CI,
    "make docs": IS_RUN_BY_CI,
    "make test": IS_RUN_BY_CI,
    "make test-all": IS_RUN_BY_CI,
    "make test-lowest": IS_RUN_BY_CI,
    ".ci/run": IS_RUN_BY_CI,
    ".venv/bin/python -m tests.mutants tests --count 20": TAKES_LONG,
    "scripts/run-tests tests/end_to_end/test_test_command_glitches.py": IS_RUN_BY_CI,
    "scripts/run-tests tests/end_to_end/test_test_commands.py": IS_RUN_BY_CI,
    "make glitch-table": TAKES_LONG,
    "make bench": TAKES_LONG,
    "make bench-quick": TAKES_LONG,
    "make bench-simulation": TAKES_LONG,
    "scripts/bench compare ../before": TAKES_LONG,
    "scripts/bench tls --seconds 4 --rounds 1": TAKES_LONG,
    "scripts/bench metrics": TAKES_LONG,
    ".venv/bin/python -m benchmarks machines": TAKES_LONG,
    "git worktree add ../earlier 61de166": CHANGES_THE_MACHINE,
    "scripts/bench simulation-beside ../earlier": TAKES_LONG,
    "scripts/bench profile --kind get --connections 64 --seconds 10": TAKES_LONG,
    "scripts/bench profile --how cprofile": TAKES_LONG,
    "scripts/bench render build/bench": "needs what make bench has left",
    "make screenshots": CHANGES_THE_MACHINE,
    "glitchgrid simulate --seeds 0:5000": TAKES_LONG,
    "glitchgrid simulate --seeds 0:20000": TAKES_LONG,
    "glitchgrid simulate --seeds 0:20000 --dask tcp://10.0.0.9:8786": NEEDS_ANOTHER_MACHINE,
    "dask worker tcp://10.0.0.9:8786": NEEDS_ANOTHER_MACHINE,
    "dask scheduler --port 8786": NEEDS_ANOTHER_MACHINE,
    "pip install 'glitchgrid[dask]'": CHANGES_THE_MACHINE,
    "twistd --nodaemon --pidfile= vault --port 8001 --data-dir /var/lib/glitchgrid"
    " --peers 10.0.0.1:8001,10.0.0.2:8001,10.0.0.3:8001": NEEDS_ANOTHER_MACHINE,
    "twistd --nodaemon --pidfile= control --port 8000 --vaults 10.0.0.1:8001,10.0.0.2:8001,10.0.0.3:8001": (
        NEEDS_ANOTHER_MACHINE
    ),
    "docker compose up --build --exit-code-from workload": NEEDS_DOCKER,
    "docker compose down --volumes": NEEDS_DOCKER,
    "python3 -m venv environment && . environment/bin/activate": CHANGES_THE_MACHINE,
    "pip install glitchgrid pytest": CHANGES_THE_MACHINE,
    "pytest examples/echo --durations=3": TAKES_LONG,
    "apt-get install etcd-server fuse3": CHANGES_THE_MACHINE,
    ".venv/bin/glitchgrid doctor": "is run by tests/end_to_end/test_status.py",
    ".venv/bin/glitchgrid rehearse --system examples/etcd/system.toml --minutes 0.5 --seed 22 --out etcd": REHEARSED,
    ".venv/bin/glitchgrid report etcd --html etcd.html": REHEARSED,
    ".venv/bin/glitchgrid rehearse --system examples/redis/system.toml --seed 51 --timelines 1": REHEARSED,
    "scripts/services prepare": CHANGES_THE_MACHINE,
    ".venv/bin/glitchgrid rehearse --system examples/scrapyd/system.toml "
    "--set scrapyd=$PWD/.venv-services/bin/scrapyd": REHEARSED,
    ".venv/bin/glitchgrid rehearse --system examples/postgresql/system.toml --seed 41": REHEARSED,
    ".venv/bin/glitchgrid rehearse --system examples/postgresql/system.toml --seed 42 --set fsync=off": REHEARSED,
    "glitchgrid rehearse --system system.toml --check": REHEARSED,
    "glitchgrid rehearse --system system.toml --repeat 5 --out rehearsal": REHEARSED,
    "glitchgrid shrink --rehearsal rehearsal --tries 3": REHEARSED,
    "glitchgrid simulate --glitch ignore-guard --seeds 0:10": FOUND,
    "glitchgrid simulate --glitch torn-write --seeds 0:20": FOUND,
    "glitchgrid simulate --glitch straggler-counts-late --seeds 0:20": FOUND,
    "glitchgrid simulate --glitch no-write-back --seeds 0:10": FOUND,
    "glitchgrid simulate --glitch acknowledge-before-fsync --seeds 0:10": FOUND,
    "make container-test": "needs a Docker engine, or root and podman",
}
"""What is not run as it stands there, and why."""


@frozen
class Shown:
    """A command line of a page, and the output that the page shows below it."""

    line: str
    output: str


def steps_on(page: Path) -> list[Shown | str]:
    """What somebody does who follows a page, in its order: commands, and what stands between them as a comment.

    A command that goes on on another line, behind ``>``, is one.
    """
    text = page.read_text(encoding="utf-8")
    steps: list[tuple[int, Shown | str]] = [(each.start(), each[1]) for each in ASIDE.finditer(text)]
    for fenced in FENCED.finditer(text):
        if fenced[2] == "console":
            parts = re.split(r"^\$ ", fenced[3], flags=re.MULTILINE)[1:]
            steps += ((fenced.start() + place, _shown(part)) for place, part in enumerate(parts))
    return [step for _, step in sorted(steps, key=lambda each: each[0])]


def _shown(part: str) -> Shown:
    command, *rest = part.rstrip("\n").split("\n")
    while command.endswith("\\"):
        command = command.removesuffix("\\") + rest.pop(0).removeprefix("> ")
    return Shown(COMMENT.sub("", command), "\n".join(rest))


def shown_on(page: Path) -> list[Shown]:
    """The commands of a page, in their order."""
    return [step for step in steps_on(page) if isinstance(step, Shown)]


def elsewhere_on(page: Path) -> list[str]:
    """Lines of other blocks that look like commands, and that nobody would try."""
    text = page.read_text(encoding="utf-8")
    fenced = [line for block in FENCED.finditer(text) if block[2] != "console" for line in block[3].split("\n")]
    indented = [line[4:] for line in FENCED.sub("", text).split("\n") if line.startswith("    ")]
    return [line for line in (*fenced, *indented) if PROGRAM.match(line)]
