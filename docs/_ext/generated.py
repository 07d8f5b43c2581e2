"""Directives that write reference pages from the code: what they show cannot fall behind it.

============================  ========================================================================================
``{api}`` PACKAGE ...         the modules of some packages, by autodoc
``{limits}`` PACKAGE ...      every named limit and time-out: its value, where it is, and what it is for
``{errors}``                  what HTTP clients are told, and why servers do not start
``{twistd-options}`` PROGRAM  the options of ``twistd vault`` or ``twistd control``
``{fields}`` CLASS ...        the fields of attrs classes, with their defaults, as plans have them
``{faults}``                  the kinds of fault, with their fields
``{wire-rows}``               requests and answers, row by row
============================  ========================================================================================
"""

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import glitchgrid
from glitchgrid import control_tap, errors, vault_tap
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models import MODELS
from glitchgrid.lab.faults.kinds import ASKED_FOR
from glitchgrid.lab.register.kinds import BREAKING, HARMLESS
from glitchgrid.lab.register.oracles.wire import CONTROL, ROWS, VAULT, Known, Row

ROOT = Path(glitchgrid.__file__).parent
LIMIT = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|MIN|S|MS|US|NS|BYTES|MAX_S|MAX_NS)")
MANY = 3
PROGRAMS: dict[str, Any] = {"vault": vault_tap.Options, "control": control_tap.Options}


class _Generated(SphinxDirective):
    """Writes Markdown, and has it read as if it stood on the page."""

    optional_arguments = 100
    has_content = False

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)

    def lines(self) -> Iterator[str]:
        raise NotImplementedError


def _table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _modules(package: str) -> list[str]:
    found = pkgutil.resolve_name(package)
    if not hasattr(found, "__path__"):
        return [package]
    inner = (each.name for each in pkgutil.iter_modules(found.__path__) if not each.ispkg)
    return [package, *(f"{package}.{name}" for name in sorted(inner) if name != "__main__")]


class _Api(_Generated):
    def lines(self) -> Iterator[str]:
        for package in self.arguments:
            for module in _modules(package):
                yield from (f"## {module}", "", "```{eval-rst}", f".. automodule:: {module}", "```", "")


class _Limits(_Generated):
    def lines(self) -> Iterator[str]:
        found = (row for package in self.arguments for module in _modules(package) for row in _limits_of(module))
        yield from _table(("limit", "value", "in", "what it is"), iter(sorted(found)))


def _limits_of(module: str) -> Iterator[tuple[str, ...]]:
    """Assignments of numbers to names that end with a unit or a bound, and the text below each."""
    loaded = pkgutil.resolve_name(module)
    body = ast.parse(Path(loaded.__file__).read_text(encoding="utf-8")).body
    for place, each in enumerate(body):
        if not (isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name)):
            continue
        name = each.targets[0].id
        value = getattr(loaded, name, None)
        if not LIMIT.fullmatch(name) or not isinstance(value, int | float):
            continue
        below = body[place + 1] if place + 1 < len(body) else None
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        text = str(below.value.value) if is_text else ""  # type: ignore[union-attr]
        yield f"`{name}`", f"{value:,}", f"`{module.removeprefix('glitchgrid.')}`", text


class _Errors(_Generated):
    def lines(self) -> Iterator[str]:
        requests = list(_below(errors.RequestError))
        yield from _table(
            ("status", "body", "code", "when"),
            (
                (str(each.status), f"`{_message(each)}`", f"`{each.code}`", _first_line(each))
                for each in sorted(requests, key=lambda each: each.status)
            ),
        )


_VALUES: dict[Any, tuple[Any, ...]] = {
    errors.ValueDecreases: (7, 5),
    errors.ValueTooLarge: (7, 5),
    errors.ListDiffers: (["vault1:8001", "vault2:8001"],),
    errors.FenceRefused: ("...",),
    errors.ChangeRefused: ("...",),
}


def _below(error: Any) -> Iterator[Any]:
    for each in error.__subclasses__():
        yield each
        yield from _below(each)


def _message(error: Any) -> str:
    """What a client reads. Where the text depends on values, as it is for some."""
    values = _VALUES.get(error)
    return str(error.message if values is None else error(*values).message)


def _first_line(each: Any) -> str:
    return (inspect.getdoc(each) or "").partition("\n\n")[0] if each.__doc__ else ""


class _TwistdOptions(_Generated):
    required_arguments = 1

    def lines(self) -> Iterator[str]:
        options = PROGRAMS[self.arguments[0]]
        rows = [row for each in reversed(options.__mro__) for row in vars(each).get("optParameters", ())]
        yield from _table(
            ("option", "default", "meaning"),
            (
                (f"`--{name}`" + (f", `-{short}`" if short else ""), "" if default is None else f"`{default}`", text)
                for name, short, default, text, *_ in rows
            ),
        )


class _Fields(_Generated):
    def lines(self) -> Iterator[str]:
        for name in self.arguments:
            found = pkgutil.resolve_name(name)
            told = dict(re.findall(r":ivar (\w+): ((?:.|\n(?! *:ivar))+)", inspect.getdoc(found) or ""))
            yield from _table(
                ("field", "type", "default", "meaning"),
                (
                    (f"`{each.name}`", _type(each), _default(each), told.get(each.name, ""))
                    for each in attrs.fields(found)
                ),
            )


def _type(field: Any) -> str:
    return f"`{getattr(field.type, '__name__', str(field.type))}`".replace("typing.", "")


def _default(field: Any) -> str:
    return "" if field.default is attrs.NOTHING else f"`{field.default!r}`"


class _Faults(_Generated):
    def lines(self) -> Iterator[str]:
        yield from _table(
            ("kind", "fields", "what it does", "breaks"),
            (
                (
                    each.kind,
                    ", ".join(f"`{field.name}`" for field in attrs.fields(each)),  # type: ignore[arg-type]
                    _first_line(each),
                    each.breaks,
                )
                for each in (*HARMLESS, *ASKED_FOR, *BREAKING)
            ),
        )


class _Models(_Generated):
    """The models of checkers, by their names."""

    def lines(self) -> Iterator[str]:
        rows = ((f"`{name}`", _functions(model), _first_sentences(model)) for name, model in MODELS.items())
        yield from _table(("model", "functions", ""), rows)


def _functions(model: type[Model]) -> str:
    return ", ".join(f"`{name.replace('_', '-')}`" for name in sorted(model.functions()))


def _first_sentences(model: type[Model]) -> str:
    paragraph = (model.__doc__ or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("``", "`").split())


class _WireRows(_Generated):
    def lines(self) -> Iterator[str]:
        for known in (Known(VAULT, 7, 3, b"0" * 32, lambda: 0.0), Known(CONTROL, 7, 3, None, lambda: 0.0)):
            yield from (f"### A {known.kind} that holds 7", "")
            rows = (row for row in ROWS if known.kind in row.kinds)
            yield from _table(("sent", "answers"), ((row.name, _answers(row, known)) for row in rows))


def _answers(row: Row, known: Known) -> str:
    """One after another; of many that are the same, how many there are."""
    told = [f"{each.status} `{each.body.decode('ascii')}`".removesuffix(" ``") for each in row.expects(known)]
    return ", then ".join(
        f"{len(list(same))} times {text}" if told.count(text) > MANY else text for text, same in groupby(told)
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    for name, directive in (
        ("models", _Models),
        ("api", _Api),
        ("limits", _Limits),
        ("errors", _Errors),
        ("twistd-options", _TwistdOptions),
        ("fields", _Fields),
        ("faults", _Faults),
        ("wire-rows", _WireRows),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
