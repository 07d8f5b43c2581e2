"""Looks for the bugs of bugs.toml that others have reported: each must show at its seed, and not where it is mended.

One is shrunk, too. With --all, all bugs are looked for at all seeds, have to be as frequent as it is written there, and
are shrunk. With --show, one of them is shown.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "bugs-rediscovered.md"
VERSIONS = Path(sys.prefix) / "versions"
AT_ONE_TIME = 2
RUN_S_MAX = 900
SHRUNK = re.compile(r"shrunk in \d+ runs to (\d+) fault")


@dataclass(frozen=True)
class Bug:
    """As bugs.toml has it.

    :ivar faults: so many are left once the seed is shrunk; 0 where the seed has none.
    :ivar mended: a version without it; "" where there is none.
    :ivar report: "" where nobody has reported it.
    """

    package: str
    version: str
    test: str
    says: str
    seeds: int
    found: int
    seed: int
    faults: int
    mended: str = ""
    report: str = ""

    def __str__(self) -> str:
        return f"{self.package} {self.version}, {self.test}"


def environment(package: str, wanted: str) -> dict[str, str]:
    """Where that version is imported. Its dependencies are those of the others."""
    if version(package) == wanted:
        return dict(os.environ)
    path = VERSIONS / f"{package}-{wanted}"
    if not path.exists():
        new = path.with_suffix(".new")
        install = [sys.executable, "-m", "pip", "--quiet", "--quiet", "install", "--no-deps", "--no-build-isolation"]
        subprocess.run([*install, "--upgrade", "--target", str(new), f"{package}=={wanted}"], check=True)
        new.rename(path)
    return os.environ | {"PYTHONPATH": str(path)}


def run(command: list[str], package: str, wanted: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=HERE,
        env=environment(package, wanted),
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    return done.stdout + done.stderr


def show(bugs: list[Bug], name: str, html: str | None) -> int:
    """Run the first bug of that name, with the version that has it, as pytest says it."""
    bug = next((each for each in bugs if name in each.report or name in each.test), None)
    if bug is None:
        print(f"no bug has {name!r} in its report or its test", file=sys.stderr)
        return 2
    picture = [] if html is None else ["--sim-html", str(Path(html).resolve())]
    command = [sys.executable, "-m", "pytest", "--quiet", bug.test, "--sim-seed", str(bug.seed), *picture]
    return subprocess.run(command, cwd=HERE, env=environment(bug.package, bug.version), check=False).returncode


def at_its_seed(bug: Bug, *, shrink: bool) -> list[str]:
    """What is not as it is written."""
    command = ["pytest", "--quiet", bug.test, "--sim-seed", str(bug.seed)]
    said = run([*command, *([] if shrink else ["--sim-no-shrink"])], bug.package, bug.version)
    if not re.search(bug.says, said):
        return [f"{bug}: seed {bug.seed} does not show it:\n{said}"]
    shrunk = SHRUNK.search(said)
    if shrink and bug.faults and (shrunk is None or int(shrunk[1]) != bug.faults):
        return [f"{bug}: seed {bug.seed} is not shrunk to {bug.faults} faults:\n{said}"]
    if bug.mended:
        said = run(command, bug.package, bug.mended)
        if "1 passed" not in said:
            return [f"{bug}: seed {bug.seed} does not pass with {bug.mended}:\n{said}"]
    return []


def at_all_seeds(bug: Bug) -> list[str]:
    """What is not as it is written."""
    wrong = []
    for wanted, found in ((bug.version, bug.found), (bug.mended, 0)):
        if wanted:
            shows = count(bug, wanted)
            print(f"{bug.package} {wanted}, {bug.test}: {shows} of {bug.seeds} seeds", flush=True)
            if shows != found:
                wrong.append(f"{bug}: it shows in {shows} of {bug.seeds} seeds with {wanted}, and not in {found}")
    return wrong


def count(bug: Bug, wanted: str) -> int:
    command = ["glitchgrid", "simulate", "--test", bug.test, "--seeds", f"0:{bug.seeds}", "--jobs", "1", "--json"]
    said = json.loads(run(command, bug.package, wanted))
    return sum(re.search(bug.says, each["message"]) is not None for each in said["violations"])


def page(bugs: list[Bug]) -> str:
    head = ("project", "version", "report", "seeds that show it", "faults left", "mended in, seeds that show it")
    rows = [head, ("---",) * len(head)]
    for bug in bugs:
        if bug.report:
            project, number = bug.report.split("#")
            report = f"[{bug.report}](https://github.com/{project}/issues/{number})"
            mended = f"{bug.mended}, 0 of {bug.seeds}" if bug.mended else "-"
            rows.append((bug.package, bug.version, report, f"{bug.found} of {bug.seeds}", str(bug.faults), mended))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (HERE / "bugs.md").read_text(encoding="utf-8").replace("@TABLE@", table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="run all seeds, and shrink all that are told of")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} anew")
    parser.add_argument("--show", metavar="NAME", help="run the one whose report or test is called so, at its seed")
    parser.add_argument("--html", metavar="FILE", help="with --show: draw it, too")
    options = parser.parse_args()
    entries = tomllib.loads((HERE / "bugs.toml").read_text(encoding="utf-8"))["bug"]
    bugs = [Bug(**each) for each in entries]
    if options.show is not None:
        return show(bugs, options.show, options.html)
    for bug in bugs:  # one after the other: two would install the same
        for each in filter(None, (bug.version, bug.mended)):
            environment(bug.package, each)
    if options.write:
        PAGE.write_text(page(bugs), encoding="utf-8")
    is_written = PAGE.read_text(encoding="utf-8") == page(bugs)
    wrong = [] if is_written else [f"{PAGE} is not what bugs.toml and bugs.md say: --write"]
    wanted = [each for each in bugs if options.all or each.report]
    with ThreadPoolExecutor(AT_ONE_TIME) as pool:
        # One race is shrunk each time.
        for found in pool.map(lambda bug: at_its_seed(bug, shrink=options.all or bug is bugs[0]), wanted):
            wrong += found
    if options.all:
        for bug in bugs:
            wrong += at_all_seeds(bug)
    print("\n".join(wrong) or f"{len(wanted)} bugs of services show as bugs.toml says")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
