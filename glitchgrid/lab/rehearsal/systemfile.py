"""What a TOML file says of a system of any programs, for `glitchgrid rehearse --system`.

Words in braces are replaced in programs, addresses and variables: ``{name}``, ``{address}`` and ``{disk}`` of the
machine, ``{here}`` for the directory of the file, ``{python}`` for the Python that runs this.
"""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Attribute, evolve, field, frozen
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError

from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.composer.templates import Place
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults.kinds import ASKED_FOR, FAULTS
from glitchgrid.lab.layout import CLIENTS, Layout, Link
from glitchgrid.lab.plan.plan import Environment
from glitchgrid.lab.rehearsal.otherfiles import is_compose, is_procfile, machines_of_compose, machines_of_procfile
from glitchgrid.machines.cgroups import Limits
from glitchgrid.simulation.random_stream import RandomStream

ORDINARY, HARSH = "ordinary", "harsh"
PLAIN = Environment(200, 0, False, 0, 1)
"""What a plan says of what only the simulator can choose."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
COUNT_MAX, MACHINES_MAX = 99, 100
MEMORY_MIB_MAX = 1 << 20
PROCESSORS_MIN, PROCESSORS_MAX = 0.01, 1024.0
READY_S_MAX = 600.0
FORMS: Mapping[type, str] = {str: "text", bool: "true or false", int: "whole number"}
"""What is taken as it is, and not made of something else."""
READY = re.compile(r"(?P<kind>tcp|http)://(?P<host>[^:/]+):(?P<port>\d{1,5})(?P<path>/.*)?")


def _one_of_the_models(_file: Any, _attribute: "Attribute[Any]", value: str) -> None:
    if value and value not in MODELS:
        raise ValueError(f"history is {value!r}, and none of {', '.join(sorted(MODELS))}")


def _count(_file: Any, _attribute: "Attribute[Any]", value: int) -> None:
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        raise ValueError(f"count is {value!r}, and no whole number from 1 to {COUNT_MAX}")


def _memory(_file: Any, _attribute: "Attribute[Any]", value: int) -> None:
    if type(value) is not int or not 0 <= value <= MEMORY_MIB_MAX:
        raise ValueError(f"memory_mib is {value!r}, and no whole number from 1 to {MEMORY_MIB_MAX}")


def _processors(_file: Any, _attribute: "Attribute[Any]", value: Any) -> None:
    if type(value) is not float or not (value == 0 or PROCESSORS_MIN <= value <= PROCESSORS_MAX):
        raise ValueError(f"processors is {value!r}, and no number from {PROCESSORS_MIN:g} to {PROCESSORS_MAX:g}")


def _ready(_file: Any, _attribute: "Attribute[Any]", value: str) -> None:
    if value and READY.fullmatch(value) is None:
        raise ValueError(f"ready is {value!r}, and neither tcp://HOST:PORT nor http://HOST:PORT/PATH")


def _seconds(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _ready_within(_file: Any, _attribute: "Attribute[Any]", value: Any) -> None:
    if type(value) is not float or not 0 < value <= READY_S_MAX:
        raise ValueError(f"ready_within_s is {value!r}, and no number of seconds up to {READY_S_MAX:g}")


def _known_faults(_file: Any, _attribute: "Attribute[Any]", kinds: Sequence[str]) -> None:
    known = [kind.kind for kind in (*FAULTS, *ASKED_FOR)]
    for kind in kinds:
        if kind not in known:
            raise ValueError(f"faults has {kind!r}, and there is no such kind; there is {', '.join(known)}")


def _disk_kind(_file: Any, _attribute: "Attribute[Any]", value: str) -> None:
    if value not in {ORDINARY, HARSH}:
        raise ValueError(f"disk is {value!r}, and neither {ORDINARY!r} nor {HARSH!r}")


def _words(value: Any) -> tuple[str, ...]:
    """A program and its arguments: a list of words, or one text as a shell would split it."""
    if isinstance(value, str):
        return tuple(shlex.split(value))
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise ValueError(f"{value!r} is neither a command line nor a list of words")


@frozen
class MachineEntry:
    """One table of ``[machines]``.

    :ivar program: what runs on it, for as long as the machine is well.
    :ivar count: so many alike, whose names have a number; 0 for one, without.
    :ivar prepare: what runs once, to its end, before the program is first started.
    :ivar ready: what has to be so before the machine counts as serving; empty for nothing.
    :ivar keeps: it has something on its disk that a power loss may take.
    :ivar templates: a directory of test templates, from that of the file on, whose commands run on this machine; empty
        for none. Templates of one name are one.
    :ivar memory_mib: what its programs may take together, where control groups allow it; 0 for no limit.
    :ivar processors: how much processor time they may take in the time that goes by; 0 for no limit.
    :ivar as_root: it runs as root of its machine; programs that refuse to, run as somebody else.
    """

    program: Sequence[str] = field(converter=_words)
    count: int = field(default=0, validator=_count)
    prepare: Sequence[str] = field(default=(), converter=_words)
    ready: str = field(default="", validator=_ready)
    keeps: bool = False
    as_root: bool = True
    memory_mib: int = field(default=0, validator=_memory)
    processors: float = field(default=0.0, converter=_seconds, validator=_processors)
    templates: str = ""
    environment: Mapping[str, str] = field(factory=dict)

    @property
    def limits(self) -> Limits:
        return Limits(self.memory_mib, self.processors)


@frozen
class CommandsEntry:
    """The table ``[commands]``: where the test commands are, and what they are given.

    :ivar templates: a directory of test templates, from that of the file on.
    :ivar states: more directories of Python files that state properties with Antithesis's SDK.
    """

    templates: str = "templates"
    states: Sequence[str] = ()
    environment: Mapping[str, str] = field(factory=dict)


@frozen
class SystemFile:
    """:ivar settings: words in braces of its own: ``--set NAME=VALUE`` gives them other values.
    :ivar history: the model by which the clients' history is checked; empty where none is recorded.
    :ivar faults: the kinds that are drawn; all that can be done, where it is empty.
    :ivar disk: what a power loss may do: "ordinary", as on ext4 with sectors that are written whole; or "harsh",
        whatever POSIX and bad disks leave open: see `glitchgrid.machines.disk.Platters`.
    :ivar ready_within_s: so long servers may take, at first and after faults, until they serve.
    :ivar clocks: programs' clocks may jump and drift (a small library is preloaded into them), and their monotonic
        clocks begin anew when the power comes back.
    """

    machines: Mapping[str, MachineEntry]
    settings: Mapping[str, str] = field(factory=dict)
    commands: CommandsEntry = CommandsEntry()
    history: str = field(default="", validator=_one_of_the_models)
    clocks: bool = False
    faults: Sequence[str] = field(default=(), converter=tuple, validator=_known_faults)
    disk: str = field(default=ORDINARY, validator=_disk_kind)
    ready_within_s: float = field(default=60.0, converter=_seconds, validator=_ready_within)
    environment: Mapping[str, str] = field(factory=dict)
    here: Path = Path()

    @property
    def names(self) -> Sequence[tuple[str, MachineEntry]]:
        """All machines, with their numbers."""
        found: list[tuple[str, MachineEntry]] = []
        for name, entry in self.machines.items():
            numbers = range(1, entry.count + 1)
            found += [(f"{name}{number}", entry) for number in numbers] if entry.count else [(name, entry)]
        return found

    @property
    def templates(self) -> Sequence[Place]:
        """Where test commands are. A file whose machines have some need not have any besides."""
        own = [Place(self.here / entry.templates, name) for name, entry in self.names if entry.templates]
        shared = self.here / self.commands.templates
        return [*([Place(shared)] if shared.exists() or not own else []), *own]

    def words(self, name: str, address: str, disk: Path) -> "Words":
        """For one of its machines."""
        return Words(name, address, disk, self.here, self.settings)

    def layout(self) -> "Machines":
        return Machines(tuple(name for name, _ in self.names), tuple(name for name, entry in self.names if entry.keeps))


@frozen
class Machines(Layout):
    """The machines of a system file, for drawing faults."""

    system = "glitchgrid.lab.rehearsal.systemfile:Machines"
    of_servers: Sequence[str]
    of_keepers: Sequence[str]

    @property
    def servers(self) -> Sequence[str]:
        return self.of_servers

    @property
    def keepers(self) -> Sequence[str]:
        return self.of_keepers

    def draw_link(self, rng: RandomStream) -> Link:
        """Any two: what talks with what, nobody has said."""
        source = rng.pick(self.machines)
        return source, rng.pick([name for name in self.machines if name != source])


class SystemFileInvalid(CannotRun):
    """:ivar texts: all that is wrong with it, a line each."""

    def __init__(self, path: Path, wrong: Sequence[str]) -> None:
        self.texts = [f"{path}: {each}" for each in wrong]
        super().__init__(self.texts[0])


def read_system(path: Path, settings: Mapping[str, str]) -> SystemFile:
    """Read a system file; or a Procfile, or a Compose file, as far as that goes.

    :param settings: what is to have another value than in the file.
    :raises SystemFileInvalid: with all that is wrong, and where.
    :raises CannotRun: where it cannot be read.
    """
    data = _data_of(path)
    if "here" in data:
        raise CannotRun(f"{path}: there is no field 'here'")
    converter = Converter(forbid_extra_keys=True, prefer_attrib_converters=True)
    for plain in FORMS:
        converter.register_structure_hook(plain, _exactly)
    try:
        found = converter.structure({**data, "here": path.resolve().parent}, SystemFile)
    except BaseValidationError as error:
        raise SystemFileInvalid(path, transform_error(error, "the file", _say)) from error
    there = ", ".join(found.settings) or "none"
    wrong = [f"it has no setting {name!r}; there is {there}" for name in settings if name not in found.settings]
    found = evolve(found, settings={**found.settings, **settings})
    wrong += dict.fromkeys([*_wrong_in_all(found), *_wrong_in_each(found)])
    if wrong:
        raise SystemFileInvalid(path, wrong)
    return found


def _data_of(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if is_procfile(path):
            return {"machines": machines_of_procfile(path, text)}
        if is_compose(path):
            return {"machines": machines_of_compose(path, text)}
        return tomllib.loads(text)
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CannotRun(f"{path} is no TOML: {error}") from error


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {FORMS[kind]}")
    return value


def _wrong_in_all(found: SystemFile) -> Iterator[str]:
    """What follows from several machines together."""
    names = [name for name, _ in found.names]
    if not names:
        yield "there are no machines"
    if len(names) > MACHINES_MAX:
        yield f"{len(names)} machines, and {MACHINES_MAX} are the most"
    for name in names:
        if NAME.fullmatch(name) is None:
            yield f"{name!r} cannot be the name of a machine: a letter, then letters, digits, dashes"
        if name == CLIENTS or names.count(name) > 1:
            yield f"there are two machines {name!r}"


def _wrong_in_each(found: SystemFile) -> Iterator[str]:
    """What follows from several fields of a machine together."""
    for name, entry in found.names:
        if not entry.program:
            yield f"machines.{name} has an empty program"
        for text in (*entry.program, *entry.prepare, *entry.environment.values(), *found.commands.environment.values()):
            try:
                replaced(text, found.words(name, "10.0.0.1", Path("/")), f"machines.{name}")
            except CannotRun as error:
                yield str(error)


@frozen
class Words:
    """What words in braces stand for."""

    name: str
    address: str
    disk: Path
    here: Path
    settings: Mapping[str, str]

    @property
    def known(self) -> Mapping[str, str]:
        own = {"name": self.name, "address": self.address, "disk": str(self.disk), "here": str(self.here)}
        return {**self.settings, **own, "python": sys.executable, "brace": "{"}


def replaced(text: str, words: Words, where: str) -> str:
    """:raises CannotRun: for a word in braces that stands for nothing."""

    def word(match: re.Match[str]) -> str:
        found = words.known.get(match[1])
        if found is None:
            raise CannotRun(f"{where}: {{{match[1]}}} stands for nothing; there is {', '.join(words.known)}")
        return found

    return re.sub(r"\{(\w+)\}", word, text)


def _say(error: BaseException, _type: Any) -> str:
    match error:
        case KeyError():
            return f"there is no {error}, and it is needed"
        case ForbiddenExtraKeysError(extra_fields=fields):
            return f"there is no field {min(fields)!r}"
        case _:
            return str(error.args[0]) if error.args else str(error)
