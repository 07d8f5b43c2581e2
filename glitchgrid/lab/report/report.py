"""The report: what all parts of a directory come to."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from glitchgrid.lab.checkers.result import CannotSay, CheckResult, Linearizable, NotLinearizable
from glitchgrid.lab.composer.calls import Call, End
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.properties import Property, Seen, Standing, read_catalogue
from glitchgrid.lab.report.causes import Cause, causes
from glitchgrid.lab.report.part import Part, read_parts
from glitchgrid.lab.report.sdk import Evidence
from glitchgrid.lab.verdict import Verdict

CATALOGUE = "catalog.json"
CAMPAIGN = "campaign.json"
VIOLATION = Verdict.VIOLATION.value
ORDER = (Standing.FAILED, Standing.NEVER_HIT, Standing.PASSED)
NOT_WELL = (End.FAILED, End.BROKE, End.NEVER_ENDED)


@frozen
class Stated:
    """A property, what became of it, and the details of the first time that it did not hold."""

    property: Property
    standing: Standing
    details: Mapping[str, Any]


@frozen
class Command:
    """How the calls of one test command ended, and the first that did not end well."""

    name: str
    ends: Mapping[End, int]
    first: Call | None


@frozen
class Campaign:
    """What a simulated campaign has said of itself.

    :ivar about: when it was run, by which command, on which versions: what is said of that, by its name.
    """

    verdicts: Mapping[str, int]
    violations: Sequence[Mapping[str, str]]
    about: Mapping[str, str] = field(factory=dict)

    @property
    def runs(self) -> int:
        return sum(self.verdicts.values())

    @property
    def runs_failed(self) -> int:
        return self.verdicts.get(VIOLATION, 0)

    @property
    def causes(self) -> Sequence[Cause]:
        """Of its failures, the most frequent first."""
        return causes(self.violations)

    def found_in(self, run: str) -> Sequence[Mapping[str, str]]:
        """What was found in one run, by the name of its part."""
        return [each for each in self.violations if run == f"seed-{each['seed']}"]


@frozen
class Report:
    directory: Path
    stated: tuple[Stated, ...]
    commands: tuple[Command, ...]
    parts: tuple[Part, ...]
    campaign: Campaign | None
    ready: int

    def with_standing(self, standing: Standing) -> tuple[Stated, ...]:
        return tuple(each for each in self.stated if each.standing is standing)

    @property
    def headline(self) -> str:
        """What it all comes to, in a sentence."""
        if self.is_violated:
            return f"Something is wrong: {'; '.join(self._wrong())}."
        if self.is_broken:
            return "Nothing can be said: a test command broke or never ended."
        return "Nothing wrong was found."

    def _wrong(self) -> Iterator[str]:
        campaign = self.campaign
        if campaign is not None and campaign.violations:
            count = len(campaign.causes)
            number = "one cause" if count == 1 else f"{count} causes"
            yield f"{number} of failure in {campaign.runs_failed} of {campaign.runs} runs"
        failed = len(self.with_standing(Standing.FAILED))
        if failed:
            yield f"{'one property does' if failed == 1 else f'{failed} properties do'} not hold"
        commands = sum(bool(each.ends.get(End.FAILED)) for each in self.commands)
        if commands:
            yield f"{'one test command has' if commands == 1 else f'{commands} test commands have'} failed"
        contradicted = sum(part.is_violated and part.plan is None for part in self.parts)
        if contradicted:
            many = f"{contradicted} histories contradict themselves"
            yield "one history contradicts itself" if contradicted == 1 else many

    def verdict_of(self, part: Part) -> tuple[str, str]:
        """What became of a part, and why: by all that was found in it, and not by its history alone."""
        found = () if self.campaign is None else self.campaign.found_in(part.name)
        if found:
            return VIOLATION, "; ".join(f"{each['oracle']}: {each['message']}" for each in found)
        return verdict_name(part.verdict), why(part.verdict)

    @property
    def is_violated(self) -> bool:
        """Has something been found that must not be?"""
        return bool(
            self.with_standing(Standing.FAILED)
            or any(each.ends.get(End.FAILED) for each in self.commands)
            or any(part.is_violated for part in self.parts)
            or (self.campaign is not None and self.campaign.violations)
        )

    @property
    def signs(self) -> Sequence[str]:
        """By what it is known: two runs that have one of these in common have failed in the same way."""
        return [
            *(f"property {each.property.text!r}" for each in self.with_standing(Standing.FAILED)),
            *(f"test command {each.name}" for each in self.commands if each.ends.get(End.FAILED)),
            *(["history"] if any(part.is_violated for part in self.parts) else []),
        ]

    @property
    def is_broken(self) -> bool:
        """Has a test command ended in a way that says nothing of the grid?"""
        return any(each.ends.get(End.BROKE) or each.ends.get(End.NEVER_ENDED) for each in self.commands)

    def as_json(self) -> dict[str, Any]:
        return {
            "properties": [
                {
                    "text": each.property.text,
                    "kind": each.property.kind,
                    "where": f"{each.property.file}:{each.property.line}",
                    "standing": each.standing,
                    "details": dict(each.details),
                }
                for each in self.stated
            ],
            "setup_complete": self.ready,
            "commands": {each.name: dict(each.ends) for each in self.commands},
            "histories": [
                {"part": part.name, "verdict": verdict, "why": because}
                for part in self.parts
                for verdict, because in [self.verdict_of(part)]
            ],
            "campaign": None
            if self.campaign is None
            else {
                "verdicts": dict(self.campaign.verdicts),
                "violations": list(self.campaign.violations),
                "about": dict(self.campaign.about),
            },
        }


def verdict_name(verdict: CheckResult) -> str:
    match verdict:
        case Linearizable():
            return "linearizable"
        case NotLinearizable():
            return "not linearizable"
        case CannotSay():
            return "cannot say"


def why(verdict: CheckResult) -> str:
    match verdict:
        case NotLinearizable(sentence=sentence):
            return sentence
        case CannotSay(reason):
            return reason
        case _:
            return ""


def read_report(directory: Path, of_servers: Sequence[Property], of_commands: Sequence[Property]) -> Report:
    """The report on a directory that ``glitchgrid rehearse --out`` or ``glitchgrid simulate --out`` has left.

    :param of_servers: what the system's servers state of themselves, unless a catalogue lies beside the output.
    :param of_commands: what the test commands state, if any was called.
    :raises CannotRun: when there is nothing in the directory, or not what should be.
    """
    if not directory.is_dir():
        raise CannotRun(f"{directory} is no directory")
    parts = tuple(read_parts(directory))
    campaign = _campaign(directory / CAMPAIGN)
    if not parts and campaign is None:
        raise CannotRun(f"{directory} has no output in it, neither of the SDK nor of a simulation")
    evidence, simulated = Evidence(), Counter[tuple[str, bool]]()
    for part in parts:
        evidence = evidence.and_also(part.evidence)
    if campaign is not None:
        simulated = campaign[1]
    return Report(
        directory,
        _stated(_known(directory, parts, of_servers, of_commands), evidence, simulated),
        _commands(parts),
        parts,
        None if campaign is None else campaign[0],
        evidence.ready,
    )


def _known(
    directory: Path, parts: Sequence[Part], of_servers: Sequence[Property], of_commands: Sequence[Property]
) -> Sequence[Property]:
    """The catalogue that lies beside the output, or else what was given: the test commands' if any was called."""
    catalogue = directory / CATALOGUE
    if catalogue.exists():
        return read_catalogue(catalogue)
    seen = {text for part in parts for text, _ in part.evidence.seen}
    is_called = any(part.calls for part in parts) or any(each.text in seen for each in of_commands)
    return (*of_servers, *of_commands) if is_called else of_servers


def _stated(known: Sequence[Property], evidence: Evidence, simulated: Seen) -> tuple[Stated, ...]:
    """What failed comes first, then what was never hit."""
    seen = evidence.seen + simulated
    stated = [Stated(each, each.standing(seen), evidence.failures.get(each.text, {})) for each in known]
    return tuple(sorted(stated, key=lambda each: ORDER.index(each.standing)))


def _commands(parts: Sequence[Part]) -> tuple[Command, ...]:
    calls = [call for part in parts for call in part.calls]
    return tuple(
        Command(
            name,
            Counter(call.end for call in calls if call.command == name),
            next((call for call in calls if call.command == name and call.end in NOT_WELL), None),
        )
        for name in sorted({call.command for call in calls})
    )


def _campaign(path: Path) -> tuple[Campaign, Seen] | None:
    """What ``glitchgrid simulate --out`` has left of a campaign, and what its runs made of the properties."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        seen: Seen = Counter({(text, bool(held)): count for text, held, count in found["stated"]})
        about = {str(name): str(told) for name, told in found.get("about", {}).items()}
        return Campaign(found["verdicts"], found["violations"], about), seen
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRun(f"{path} is not what simulate has written: {error}") from error
