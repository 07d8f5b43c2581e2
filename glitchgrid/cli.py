"""The ``glitchgrid`` command. Exit statuses: 0 good, 1 a violation was found, 2 cannot say.

The commands themselves are imported when they are called: asking for help starts no reactor.
"""

import difflib
import os
import random
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from glitchgrid import __version__
from glitchgrid.lab.checkers.max_register import ACKNOWLEDGED_MIN
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.history.formats.reading import FORMATS
from glitchgrid.lab.history.formats.writing import WRITABLE
from glitchgrid.lab.register.oracles.names import ORACLES
from glitchgrid.register import DEFAULT_PROTOCOL, PROTOCOLS
from glitchgrid.value import VALUE_MAX

VAULTS_MAX = 15
CONTROLS_MAX = 5
SIMULATED_VAULTS_MAX = 9
SIMULATED_CONTROLS_MAX = 4
STEPS_MAX = 10_000
TIMELINES_MAX = 1000
MINUTES_MAX = 60.0
PATIENCE_S_MAX = 3600.0
CHECK_S_MAX = 86400.0
MEMORY_MIB_MAX = 2**20
SEED_MAX = 10**12
DAYS_MAX = 3650
CANNOT_SAY = 2
NO_GLITCH = "none"


class _OneLine(click.Group):
    """A usage error is one line, and tells what may have been meant."""

    def resolve_command(self, context: click.Context, arguments: list[str]) -> Any:
        try:
            return super().resolve_command(context, arguments)
        except click.UsageError as error:
            close = difflib.get_close_matches(arguments[0], self.list_commands(context), n=1)
            if close:
                raise click.UsageError(f"{error.message} Did you mean {close[0]!r}?", context) from error
            raise

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return sys.exit(super().main(*arguments, **{**options, "standalone_mode": False}))
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "glitchgrid"
            click.echo(f"glitchgrid: {error.format_message()} ('{path} --help' tells more)", err=True)
            sys.exit(CANNOT_SAY)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="glitchgrid")
def main() -> None:
    """Run a Glitch Grid, break it, and learn from it.

    The servers themselves are started by 'twistd vault' and 'twistd control'.
    """


def _glitch_name(context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        from glitchgrid.lab.register.glitches import GLITCHES

        if name == NO_GLITCH and context.command.name in {"simulate", "shrink"}:
            return name
        if name not in GLITCHES:
            raise click.BadParameter(f"there is no glitch {name!r}; {_meant(name, GLITCHES)}")
    return name


def _meant(name: str, known: Iterable[str]) -> str:
    """What somebody may have meant, or where the list is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "'glitchgrid glitches' lists them"


def _glitch_names(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        _glitch_name(context, parameter, name)
    return names


# Options of several commands.

_glitch = click.option(
    "--glitch",
    metavar="NAME",
    callback=_glitch_name,
    help="Switch a deliberate bug on; 'glitchgrid glitches' lists them. A plan has the one that it was found with:"
    " 'none' runs it without.",
)
_protocol = click.option(
    "--protocol",
    type=click.Choice(sorted(PROTOCOLS)),
    default=DEFAULT_PROTOCOL,
    show_default=True,
    help="How control asks the vaults.",
)
_jobs = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="one a processor",
    help="How many processes run seeds.",
)
_web = click.option("--web", is_flag=True, help="Serve a page on which the grid can be watched and broken.")
_web_port = click.option(
    "--web-port", type=click.IntRange(1, 65535), help="The page's port; else any that is free. Implies --web."
)
_own_tokens = click.option(
    "--token-file",
    envvar="GLITCHGRID_TOKEN_FILE",
    show_envvar=True,
    metavar="FILE",
    help="Tokens that the grid's servers take, one a line; the first, which may write, is presented.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@main.command()
@click.option(
    "--vaults",
    type=click.IntRange(1, VAULTS_MAX),
    default=3,
    show_default=True,
    help="How many vaults (for 'twistd control' it is their list).",
)
@click.option(
    "--controls", type=click.IntRange(1, CONTROLS_MAX), default=1, show_default=True, help="How many controls."
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="The control's port; the vaults take those behind it, further controls those behind the vaults.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Keep the vaults' data here; without it they use a temporary directory.",
)
@_protocol
@_glitch
@_web
@_web_port
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Carry out a plan's faults, as far as processes and relays can: kills, pauses, cuts, what is held or slow.",
)
@_own_tokens
def up(
    vaults: int,
    controls: int,
    port: int,
    data_dir: Path | None,
    protocol: str,
    glitch: str | None,
    *,
    web: bool,
    web_port: int | None,
    token_file: str | None,
    plan: Path | None,
) -> None:
    """Run a grid on 127.0.0.1 and show what it does, until Ctrl-C.

    A server that dies, or that you kill, is started again after five seconds.
    """
    _say_at_once("Starting a grid ...")
    from glitchgrid.commands.up import Settings
    from glitchgrid.commands.up import up as run_up

    where = data_dir and data_dir.resolve()
    web_port = _port_of_page(web_port, wanted=web)
    run_up(Settings(vaults, controls, port, where, protocol, glitch, web_port, token_file, plan))


@main.command()
@_protocol
@click.option(
    "--verbose", is_flag=True, help="On a terminal, too, show the workload's lines. In a pipe they are there."
)
@_web
@_web_port
@_own_tokens
def demo(protocol: str, *, verbose: bool, web: bool, web_port: int | None, token_file: str | None) -> None:
    """Watch a grid of three vaults lose one, and two, and come back; then a bug, and how a client sees it.

    The workload's variables (START_DELAY, FINAL_DELAY, NUM_STEPS, MAX_STEP_SIZE, CHECK_WHEN_MULTIPLE_OF) are
    passed on. Exits with the workload's verdict: 0 consistent and correct, 1 incorrect, 2 inconsistent.
    """
    _say_at_once("Starting a grid ...")
    from glitchgrid.commands.demo import Settings
    from glitchgrid.commands.demo import demo as run_demo

    run_demo(Settings(protocol, verbose, _port_of_page(web_port, wanted=web), token_file))


_controls = click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="HOST:PORT",
    help="A control of the grid; may be given more than once. Without it the grid of the last 'up' is meant.",
)


_token_file = click.option(
    "--token-file",
    envvar="GLITCHGRID_TOKEN_FILE",
    show_envvar=True,
    metavar="FILE",
    help="Has the token to present, where the grid wants one.",
)


def _presented(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of what it shows to a grid, and whom it believes: its argument `credentials`."""

    @click.option(
        "--ca",
        envvar="GLITCHGRID_CA",
        show_envvar=True,
        metavar="FILE",
        help="Ask by TLS, and believe certificates of these authorities alone (PEM).",
    )
    @click.option(
        "--client-cert",
        envvar="GLITCHGRID_CLIENT_CERT",
        show_envvar=True,
        metavar="FILE",
        help="The certificate to show, where the grid wants one (PEM).",
    )
    @click.option(
        "--client-key",
        envvar="GLITCHGRID_CLIENT_KEY",
        show_envvar=True,
        metavar="FILE",
        help="The key of --client-cert (PEM).",
    )
    @_token_file
    @wraps(command)
    def with_credentials(
        *arguments: Any,
        token_file: str | None,
        ca: str | None,
        client_cert: str | None,
        client_key: str | None,
        **options: Any,
    ) -> None:
        from glitchgrid.commands.presenting import Credentials

        command(*arguments, credentials=Credentials(token_file, ca, client_cert, client_key), **options)

    return with_credentials


@main.command()
@_controls
@_presented
@_json
def status(controls: tuple[str, ...], credentials: Any, as_json: bool) -> None:
    """How is the grid? Asks its controls and vaults, and shows who is up and what each holds.

    Exits with 0 when it serves and nothing is down, with 1 when something is, with 2 when no control answers.
    """
    from glitchgrid.commands.status import Settings
    from glitchgrid.commands.status import status as run_status

    run_status(Settings(controls, as_json, credentials))


@main.command("get")
@_controls
@_presented
@_json
def get_command(controls: tuple[str, ...], credentials: Any, as_json: bool) -> None:
    """Read the register.

    Exits with 0 and prints the value, with 1 when no majority of the vaults answers, with 2 when no control does.
    """
    from glitchgrid.commands.status import Settings, get

    get(Settings(controls, as_json, credentials))


@main.command("set")
@click.argument("value", type=click.IntRange(1, VALUE_MAX))
@_controls
@_presented
@_json
def set_command(value: int, controls: tuple[str, ...], credentials: Any, as_json: bool) -> None:
    """Write VALUE to the register.

    Exits with 0 when a majority of the vaults has it, with 1 when it was refused or may or may not have happened,
    with 2 when no control answers: then, too, it may have.
    """
    from glitchgrid.commands.status import Settings, set_

    set_(Settings(controls, as_json, credentials), value)


@main.group(cls=_OneLine)
def roster() -> None:
    """The list of vaults that a grid's vaults keep."""


@roster.command("change")
@click.option("--vaults", required=True, metavar="HOST:PORT,...", help="The grid's vaults.")
@click.option("--to", required=True, metavar="HOST:PORT,...", help="Those that it is to have.")
@click.option("--dry-run", is_flag=True, help="Say whether it can be done, and change nothing.")
@_presented
def roster_change(vaults: str, to: str, credentials: Any, *, dry_run: bool) -> None:
    """Give a grid more vaults, or fewer, and carry all that it holds over.

    Stop the controls first, and start each new vault with an empty directory, --added, and the new list as --peers.
    What is interrupted goes on when it is run again. Exits with 0 once the vaults serve by the new list, with 2 where
    they do not.
    """
    from glitchgrid.commands.roster import Settings, change

    change(Settings(vaults, to, dry_run, credentials))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=365, show_default=True, help="How long they last.")
def certs(directory: Path, names: tuple[str, ...], days: int) -> None:
    """Make an authority and certificates, to try TLS with.

    DIR is where they are kept; it is made if it is missing, and its authority is kept if there is one. NAME is a
    server's: a host's name or an address, or several of them with commas between. One more certificate is for clients.
    """
    from glitchgrid.commands.certs import Settings
    from glitchgrid.commands.certs import certs as run_certs

    run_certs(Settings(directory, names, days))


@main.command()
@_json
def doctor(as_json: bool) -> None:
    """What does this machine lack, for which command, and how is it installed on Debian?

    Exits with 0 when every command runs here, with 2 when one does not.
    """
    from glitchgrid.commands.doctor import doctor as run_doctor

    run_doctor(as_json=as_json)


@main.command()
@click.argument("history")
@click.option("--format", "format_name", type=click.Choice(FORMATS), help="The format; else it is found out.")
@click.option("--model", type=click.Choice(list(MODELS)), help="The object; else it is found out.")
@click.option("--initial", metavar="JSON", help="What the object held at the beginning.")
@click.option(
    "--at-least",
    type=click.IntRange(min=1),
    help="How many acknowledged writes, and how many reads, it takes for the history of a max-register to prove"
    f" anything ({ACKNOWLEDGED_MIN} by default); of another model, how many operations that returned.",
)
@click.option(
    "--memory",
    type=click.IntRange(1, MEMORY_MIB_MAX),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="What the search for an order may take, about.",
)
@click.option(
    "--time",
    "time_s",
    type=click.FloatRange(0.1, CHECK_S_MAX),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the search for an order may take.",
)
@click.option("--order", "with_order", is_flag=True, help="Show the order that was found.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Draw the history and the verdict.")
@_json
def check(
    history: str,
    format_name: str | None,
    model: str | None,
    initial: str | None,
    at_least: int | None,
    memory: int,
    time_s: float,
    with_order: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Is a recorded history linearizable? HISTORY is a file, or - for standard input.

    Exits with 0 when it is, with 1 when it is not (and shows the operations that say so), with 2 when that cannot
    be said: too little was acknowledged, a limit was reached, or this is no history.
    """
    from glitchgrid.commands.check import Settings
    from glitchgrid.commands.check import check as run_check

    run_check(Settings(history, at_least, as_json, format_name, model, initial, memory, time_s, with_order, html))


@main.group()
def history() -> None:
    """Histories in the formats that are known."""


@history.command()
@click.argument("path", metavar="HISTORY")
@click.option("--to", required=True, type=click.Choice(WRITABLE), help="The format that is wanted.")
@click.option("--format", "format_name", type=click.Choice(FORMATS), help="The format it has; else it is found out.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where it goes; else to standard output.")
def convert(path: str, to: str, format_name: str | None, out: Path | None) -> None:
    """Write HISTORY, a file or - for standard input, in another format.

    What the other format has no words for is left out, or is an error where something would be lost.
    """
    from glitchgrid.commands.history import Settings
    from glitchgrid.commands.history import convert as run_convert

    run_convert(Settings(path, format_name, to, out))


def _seeds(_context: click.Context, _parameter: click.Parameter, text: str) -> range:
    """A range of seeds, half open: A:B."""
    first, colon, end = text.partition(":")
    numbers = [int(part) for part in (first, end) if part.isdecimal() and len(part) <= len(str(SEED_MAX))]
    if not (colon and len(numbers) == 2 and numbers[0] < numbers[1] <= SEED_MAX):  # noqa: PLR2004 - A and B
        raise click.BadParameter(f"{text!r} is not A:B with A < B, such as 0:100")
    return range(*numbers)


@main.command()
@click.option(
    "--find", is_flag=True, help="Look for each in the seeds of the clean campaign, and print how soon it is found."
)
@click.option(
    "--glitch",
    "only",
    multiple=True,
    metavar="NAME",
    callback=_glitch_names,
    help="This one alone; may be given several times.",
)
@_jobs
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIRECTORY", help="Write the table and the shrunk plans there."
)
def glitches(find: bool, only: tuple[str, ...], jobs: int, output: Path | None) -> None:
    """List the deliberate bugs, what is wrong with each, and what may come of it.

    With --find exits with 2 if one was not found.
    """
    from glitchgrid.commands.glitches import Settings
    from glitchgrid.commands.glitches import glitches as run_glitches

    run_glitches(Settings(find, only, jobs, output))


_Command = Callable[..., None]


def _about_a_run(command: _Command) -> _Command:
    """The options of every command that simulates runs."""
    options = (
        click.option("--seed", type=click.IntRange(0, SEED_MAX), help="The run of this seed alone."),
        click.option("--plan", type=click.Path(path_type=Path), help="The run of this plan, as --out keeps them."),
        _glitch,
        click.option(
            "--steps",
            type=click.IntRange(1, STEPS_MAX),
            default=20,
            show_default=True,
            help="How many writes a run has.",
        ),
        click.option(
            "--vaults",
            type=click.IntRange(1, SIMULATED_VAULTS_MAX),
            help="How many vaults; else 2 to 5, as each seed draws.",
        ),
        click.option(
            "--controls", type=click.IntRange(1, SIMULATED_CONTROLS_MAX), help="How many controls; else 1 or 2."
        ),
        _protocol,
        _jobs,
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Run seeds on the Dask cluster whose scheduler is there, such as tcp://10.0.0.9:8786.",
        ),
        click.option(
            "--html",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Draw the run, or the first that fails, as a page.",
        ),
        click.option(
            "--perfetto",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The same as Trace Event JSON, for Perfetto.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.option(
    "--seeds",
    default="0:100",
    show_default=True,
    callback=_seeds,
    metavar="A:B",
    help="The campaign's seeds, without B.",
)
@_about_a_run
@click.option("--check-determinism", is_flag=True, help="Run each seed twice: both runs must be the same.")
@click.option("--require-reach", is_flag=True, help="Exit with 2 if some line of the table was never reached.")
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What an earlier campaign over the same seeds has reached (campaign.json in its --out) must be reached again.",
)
@_json
@click.option("--out", type=click.Path(path_type=Path), help="Keep plans, histories and traces of failures here.")
@click.option("--coverage", is_flag=True, help="Show how often runs have reached each thing that they should reach.")
@click.option("--quiet", is_flag=True, help="Print the verdict and the sums alone.")
@click.option("--test", metavar="FILE::NAME", help="Run this simulated test (glitchgrid.testing), and not the grid.")
def simulate(test: str | None, **options: Any) -> None:
    """Run the grid's own code in a simulated world, break things there, and check what its clients saw.

    With --seed or --plan it is one run, and its trace is printed, unless a picture has it (--html) or it is not wanted
    (--quiet). Every run is replayed from its seed, to the byte.
    Exits with 0 when nothing was found, with 1 when something was, with 2 when no run proves anything.
    """
    if test is not None:
        from glitchgrid.commands import simulate_test

        known = ("seeds", "seed", "jobs", "dask", "check_determinism", "as_json", "out")
        simulate_test.simulate_test(simulate_test.Settings(test, **{name: options[name] for name in known}), options)
    from glitchgrid.commands.simulate import Settings
    from glitchgrid.commands.simulate import simulate as run_simulate

    run_simulate(Settings(**_as_settings(options)))


@main.command()
@click.option(
    "--seeds",
    default="0:300",
    show_default=True,
    callback=_seeds,
    metavar="A:B",
    help="Shrink the first of these seeds that fails.",
)
@_about_a_run
@click.option(
    "--oracle", type=click.Choice(ORACLES.all), help="Have this oracle find something; else the first that does."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Where the small plan goes; else here.")
@click.option(
    "--rehearsal",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Fewer faults for the first timeline that failed there: what 'rehearse --system --out' has left.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, TIMELINES_MAX),
    default=3,
    show_default=True,
    help="With --rehearsal: so often fewer faults are tried before they count as too few.",
)
def shrink(rehearsal: Path | None, tries: int, **options: Any) -> None:
    """Find the smallest plan and workload that still fail in the same way, and where they part from a run that passes.

    Exits with 1: what is left fails. With 2 when there was nothing to shrink.
    """
    if rehearsal is not None:
        from glitchgrid.commands.shrinkrehearsal import Asked, shrink_rehearsal

        shrink_rehearsal(Asked(rehearsal, tries, options["out"]))
    from glitchgrid.commands.shrink import Settings, shrink_command

    shrink_command(Settings(**_as_settings(options)))


def _settings(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


@main.command()
@click.option("--template", metavar="NAME", help="This test template alone; else all of them in turns.")
@click.option(
    "--timelines",
    type=click.IntRange(1, TIMELINES_MAX),
    default=2,
    show_default=True,
    help="How many timelines, each with a grid of its own.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    help="Where choices come from; else drawn, and told. Processes are not made deterministic by it.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.05, MINUTES_MAX),
    default=0.25,
    show_default=True,
    help="For so long a timeline calls drivers.",
)
@_glitch
@click.option(
    "--out", type=click.Path(path_type=Path), help="Keep everything in this directory, for 'glitchgrid report'."
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Where the templates are; else those that come with this.",
)
@click.option(
    "--system",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Any programs, each on a machine whose network, disk and clock fail: a TOML file, Procfile or Compose file.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the system file.")
@click.option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Carry out this plan's faults; else they are drawn."
)
@click.option("--plain-disks", is_flag=True, help="Machines of a system file write to plain directories.")
@click.option("--plain-network", is_flag=True, help="Machines of a system file share one network, and no link fails.")
@click.option("--record", is_flag=True, help="Keep all frames of a system file's machines, as pcap; with --out.")
@click.option(
    "--repeat",
    type=click.IntRange(1, TIMELINES_MAX),
    default=1,
    show_default=True,
    metavar="N",
    help="Run each timeline of a system file so often, with the same choices, and tell how often it has failed.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Validate a system file and its templates, and call each test command once, while nothing fails; without "
    "--system, what Antithesis's platform would not take, and nothing runs.",
)
@click.option(
    "--compose",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --check: the Compose file for the platform.",
)
@_web
@_web_port
@click.option("--history", metavar="MODEL", help="What the history of a system is held against, if not its file's.")
@click.option(
    "--patience",
    type=click.FloatRange(0.5, PATIENCE_S_MAX),
    default=200.0,
    show_default=True,
    metavar="SECONDS",
    help="A command that has not ended by then is killed: it never will.",
)
def rehearse(
    template: str | None,
    timelines: int,
    seed: int | None,
    minutes: float,
    glitch: str | None,
    out: Path | None,
    templates: Path | None,
    system: Path | None,
    settings: tuple[str, ...],
    plan: Path | None,
    plain_disks: bool,
    plain_network: bool,
    record: bool,
    repeat: int,
    check: bool,
    compose: Path | None,
    web: bool,
    web_port: int | None,
    history: str | None,
    patience: float,
) -> None:
    """Call the test commands as Test Composer does, against real processes to which faults are done meanwhile.

    Exits with 0 when nothing was found, with 1 when something was, with 2 when a command broke or never ended.
    """
    drawn = random.randrange(10**6) if seed is None else seed
    if compose is not None and (not check or system is not None):
        raise click.UsageError("--compose is for --check without --system")
    if check and (web or web_port is not None or plan is not None):
        raise click.UsageError("--web and --plan are not for --check: nothing fails, and nothing goes on for long")
    if system is not None:
        if glitch is not None:
            raise click.UsageError("--glitch is not for --system: its file names what runs")
        from glitchgrid.commands.rehearsesystem import Settings as SystemSettings
        from glitchgrid.commands.rehearsesystem import check_system, rehearse_system

        words = _settings(settings)
        (check_system if check else rehearse_system)(
            SystemSettings(
                system,
                words,
                template,
                timelines,
                drawn,
                minutes,
                plan,
                plain_disks,
                record,
                out,
                patience,
                repeat,
                _port_of_page(web_port, wanted=web),
                None if templates is None else str(templates.resolve()),
                history,
                plain_network,
            )
        )
    for option, is_given in (
        ("--set", settings),
        ("--plain-disks", plain_disks),
        ("--plain-network", plain_network),
        ("--record", record),
        ("--repeat", repeat > 1),
        ("--history", history),
        ("--web", web or web_port),
    ):
        if is_given:
            raise click.UsageError(f"{option} is for --system")
    if check:
        from glitchgrid.commands.checkplatform import Settings as PlatformSettings
        from glitchgrid.commands.checkplatform import check_platform

        check_platform(PlatformSettings(compose, templates, template))
    from glitchgrid.commands.rehearse import Settings
    from glitchgrid.commands.rehearse import rehearse as run_rehearse

    run_rehearse(Settings(template, timelines, drawn, minutes, glitch, out, templates, patience, plan))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_json
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it as a page, with a picture of each timeline.",
)
@click.option("--require-reach", is_flag=True, help="Exit with 2 if a property was never hit.")
def report(directory: Path, as_json: bool, html: Path | None, require_reach: bool) -> None:
    """What held, what failed and what was never reached, in what 'rehearse --out' or 'simulate --out' has left.

    DIRECTORY may also be where servers and test commands ran elsewhere, with the SDK's output in sdk.jsonl.
    Exits with 0 when nothing was found, with 1 when something was, with 2 when that cannot be said.
    """
    from glitchgrid.commands.report import Settings
    from glitchgrid.commands.report import report as run_report

    run_report(Settings(directory, as_json, html, require_reach))


def _say_at_once(text: str) -> None:
    """To whoever looks on: what is imported next takes its time."""
    if sys.stdout.isatty():
        click.echo(text)


def _port_of_page(port: int | None, *, wanted: bool) -> int | None:
    """Where a page is wanted; 0 is any port."""
    return port if port is not None else 0 if wanted else None


def _as_settings(options: dict[str, Any]) -> dict[str, Any]:
    """A command's options, with those that belong together made into one setting."""
    if options["plan"] is not None:
        _exclude("--plan", "seeds", "vaults", "controls", "protocol", "steps", "require_reach", "baseline")
    if options["seed"] is not None:
        _exclude("--seed", "seeds", "require_reach", "baseline")
    from glitchgrid.commands.drawing import Drawings
    from glitchgrid.lab.register.layout import Wanted

    rest = dict(options)
    if rest["plan"] is None and rest["glitch"] == NO_GLITCH:
        rest["glitch"] = None
    wanted = Wanted(*(rest.pop(name) for name in ("vaults", "controls", "protocol", "steps")))
    drawings = Drawings(rest.pop("html"), rest.pop("perfetto"))
    return {"wanted": wanted, "drawings": drawings, **rest}


def _exclude(option: str, *others: str) -> None:
    """Refuse options that mean nothing beside this one, instead of ignoring them."""
    context = click.get_current_context()
    for other in others:
        if context.get_parameter_source(other) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} says what is run: --{other.replace('_', '-')} is not for it", context)
