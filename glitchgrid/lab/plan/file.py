"""Plans as JSON: written with a fault on each line, read back with every field checked.

Version 1, which earlier releases have written, calls the environment "surroundings"; it is still read.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from operator import is_
from typing import Any

from attrs import asdict
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError

from glitchgrid.lab.errors import PlanInvalid
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.faults.kinds import OF_FRAMES
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import FAULTS_MAX, Habits, Plan, Planned
from glitchgrid.lab.plan.vocabulary import Vocabulary

VERSION = 2
WITH_SURROUNDINGS = 1

_OF_FRAMES = [kind.kind for kind in OF_FRAMES]


def encode_plan(plan: Plan) -> str:
    """As JSON. What the faults break stands first, for people: it follows from the faults."""
    head = {"plan": VERSION, "breaks": plan.breaks, **asdict(plan)}
    head.pop("faults")
    lines = [
        json.dumps({"at_ms": each.at_ms, "for_ms": each.for_ms, "kind": each.fault.kind, **_fields(each.fault)})
        for each in plan.faults
    ]
    text = json.dumps(head, indent=1)[:-2]
    return text + ',\n "faults": [' + ",".join("\n  " + line for line in lines) + "\n ]\n}\n"


def decode_plan(text: str, vocabulary: Vocabulary) -> Plan:
    """Read a plan back.

    :raises PlanInvalid: if the text is no plan; the message says what is wrong first, and where.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanInvalid(f"it is not JSON: {error}") from error
    if type(data) is not dict:
        raise PlanInvalid("it is not a JSON object")
    version = data.pop("plan", None)
    if type(version) is not int or version not in {WITH_SURROUNDINGS, VERSION}:
        raise PlanInvalid(f"its version is {version!r}, and not {VERSION}")
    if version == WITH_SURROUNDINGS and "surroundings" in data:
        data["environment"] = data.pop("surroundings")
    data.pop("breaks", None)
    objects = ((name, dict) for name in ("layout", "environment", "habits", "found_with"))
    for name, form in (*objects, ("faults", list)):
        if name in data and type(data[name]) is not form:
            raise PlanInvalid(f"{name} is {data[name]!r}, and no JSON {'list' if form is list else 'object'}")
    data.setdefault("ends_with", vocabulary.ends[0])
    try:
        plan = _converter(vocabulary).structure(data, Plan)
    except BaseValidationError as error:
        raise PlanInvalid(transform_error(error, "plan", _words)[0]) from error
    _check(plan, vocabulary)
    return plan


def decode_faults(
    text: str, kinds: Sequence[type[Fault]], refusals: Mapping[str, str], layout: Layout
) -> Sequence[Planned]:
    """The faults of a plan alone, whatever system it was made for: they are to be done to machines of these names.

    :param kinds: what can be done.
    :param refusals: what cannot be done, and why.
    :raises PlanInvalid: if the text is no plan, or has a fault that cannot be done.
    """
    try:
        faults = json.loads(text)["faults"]
    except (ValueError, RecursionError) as error:
        raise PlanInvalid(f"it is not JSON: {error}") from error
    except (KeyError, TypeError):
        raise PlanInvalid("it is no plan: it has no faults") from None
    if type(faults) is not list or len(faults) > FAULTS_MAX:
        raise PlanInvalid(f"its faults are no list of {FAULTS_MAX} at most")
    for fault in faults:
        kind = fault.get("kind") if type(fault) is dict else None
        if type(kind) is str and kind in refusals:
            raise PlanInvalid(f"{kind}: it cannot be done here: {refusals[kind]}")
    converter = _plain_converter()
    _know_faults(converter, {kind.kind: kind for kind in kinds})
    try:
        planned = converter.structure(faults, list[Planned])
    except BaseValidationError as error:
        raise PlanInvalid(transform_error(error, "faults", _words)[0]) from error
    _check_names([each.fault for each in planned], layout)
    return planned


def _check(plan: Plan, vocabulary: Vocabulary) -> None:
    """What follows from several fields together."""
    if plan.ends_with not in vocabulary.ends:
        raise PlanInvalid(f"ends_with is {plan.ends_with!r}, and not one of {', '.join(sorted({*vocabulary.ends}))}")
    _check_names([each.fault for each in plan.faults], plan.layout)


def _check_names(faults: Sequence[Fault], layout: Layout) -> None:
    for fault in faults:
        for names, known in ((fault.machines, layout.machines), (fault.keepers, layout.keepers)):
            for name in names:
                if name not in known:
                    raise PlanInvalid(f"{fault.kind}: {name!r} is not one of {', '.join(known)}")


@cache
def _converter(vocabulary: Vocabulary) -> Converter:
    converter = _plain_converter()
    _structure_as(converter, Layout, vocabulary.layout)
    _structure_as(converter, Habits, vocabulary.habits)
    _know_faults(converter, vocabulary.kinds)
    return converter


def _plain_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    # What a number, a text or a yes-or-no may be is said by the validators of the fields. Nothing is converted.
    for plain in (int, str, bool):
        converter.register_structure_hook(plain, lambda value, _: value)
    return converter


def _know_faults(converter: Converter, kinds: Mapping[str, type[Fault]]) -> None:
    def planned(data: Any, _: Any) -> Planned:
        if type(data) is not dict:
            raise ValueError(f"a fault is {data!r}, and no JSON object")
        rest = dict(data)
        at_ms, for_ms, kind = (rest.pop(name, None) for name in ("at_ms", "for_ms", "kind"))
        if type(kind) is not str or kind not in kinds:
            if kind in _OF_FRAMES:
                raise ValueError(f"{kind} is done to frames, and this network has streams: rehearse --system has both")
            raise ValueError(f"there is no fault of kind {kind!r}")
        fault: Fault = converter.structure(rest, kinds[kind])
        return Planned(at_ms, for_ms, fault)

    converter.register_structure_hook(Planned, planned)


def _structure_as(converter: Converter, general: type, own: type) -> None:
    """Where a field has a general class, expect one of the system's. Their fields are not those of the general one."""
    if own is general:
        return
    converter.register_structure_hook_func(partial(is_, general), lambda data, _: converter.structure(data, own))


def _words(error: BaseException, _type: Any) -> str:
    match error:
        case KeyError():
            return "there is no such field, and it is needed"
        case ForbiddenExtraKeysError(extra_fields=fields):
            return f"there is no field {min(fields)!r} in a plan"
        case _:
            # attrs' validators add the field, the validator and the value to their text.
            return str(error.args[0]) if error.args else str(error)


def _fields(fault: Any) -> dict[str, Any]:
    fields: dict[str, Any] = asdict(fault)
    return fields
