"""``glitchgrid status``, ``get`` and ``set``: any grid, asked from outside."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from attrs import field, frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD, VIOLATION
from glitchgrid.commands.lastup import last_controls
from glitchgrid.commands.presenting import Credentials
from glitchgrid.commands.printing import show
from glitchgrid.commands.running import run
from glitchgrid.errors import BadAddress
from glitchgrid.lab.errors import CannotRun
from glitchgrid.sight.asking import Asker
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Answer, Control, Vault
from glitchgrid.vaults.address import VaultAddress

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
IDENTITY_SHOWN = 8


@frozen
class Settings:
    """:ivar controls: HOST:PORT each; none for those of the last ``up``."""

    controls: Sequence[str]
    as_json: bool = False
    credentials: Credentials = field(factory=Credentials)

    def asker(self, reactor: Any) -> Asker:
        """:raises CannotRun: for files that can't be used."""
        return Asker(reactor, token=self.credentials.token, tls=self.credentials.tls)

    @property
    def addresses(self) -> list[VaultAddress]:
        """:raises CannotRun: for a bad one, and where there is none."""
        try:
            return [VaultAddress.parse(each, "control") for each in self.controls or last_controls()]
        except BadAddress as error:
            raise CannotRun(str(error)) from error


def status(settings: Settings) -> NoReturn:
    """Show how the grid is. Exits with 0 where it serves and nothing is down, 1 where not, 2 where nobody can say."""

    async def work(reactor: Any) -> int:
        grid = await settings.asker(reactor).look(settings.addresses)
        if settings.as_json:
            print(json.dumps(as_json(grid)))
        else:
            show(lines(grid))
        if not grid.is_reached:
            return CANNOT_SAY
        return VIOLATION if grid.is_degraded else GOOD

    run(work, CANNOT_SAY)


def get(settings: Settings) -> NoReturn:
    """Read the register."""
    _operate(settings, None)


def set_(settings: Settings, value: int) -> NoReturn:
    """Write to the register."""
    _operate(settings, value)


MEANS = {
    "read": {
        200: "",
        401: "this grid wants a token: --token-file",
        500: "no majority of the vaults could be asked: the grid does not say, rather than guess",
    },
    "write": {
        200: "",
        400: "nothing was sent to any vault",
        401: "this grid wants a token: --token-file",
        403: "the token may read, and not write",
        500: "ambiguous: it may have happened, may still happen, or never",
    },
}
"""What an answer means for whoever has asked."""


def _operate(settings: Settings, value: int | None) -> NoReturn:

    async def work(reactor: Any) -> int:
        asker, problems = settings.asker(reactor), []
        for address in settings.addresses:
            answer = await asker.ask(address, value=value)
            if not answer.problem:
                kind = "read" if value is None else "write"
                means = MEANS[kind].get(answer.code, "no server of a grid answers so")
                told = {"control": str(address), "status": answer.code, "answer": answer.text, "means": means}
                if value is not None:
                    control, *_ = (await asker.look([address])).controls
                    told |= _holders(control, value)
                _show_answer(answer, told, as_json=settings.as_json)
                return GOOD if answer.is_ok else VIOLATION
            problems.append(f"{address}: {answer.problem}")
            if value is not None:
                break  # another control could write it twice
        raise CannotRun(f"control does not answer: {'; '.join(problems)}")

    run(work, CANNOT_SAY)


def _holders(control: Control, value: int) -> dict[str, Any]:
    """Which vaults have acknowledged a value or a larger one by now, as far as control has heard of them."""
    has = [each.held is not None and each.held >= value for each in control.knows]
    names = [f"vault{number}" for number in range(1, len(has) + 1)]
    return {
        "held_by": [name for name, it_has in zip(names, has, strict=True) if it_has],
        "not_by": [name for name, it_has in zip(names, has, strict=True) if not it_has],
    }


def _show_answer(answer: Answer, told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told))
        return
    texts = [(answer.text, "" if answer.is_ok else "red")]
    if told["means"]:
        texts.append((told["means"], "dim"))
    if told.get("held_by"):
        lacking = f"; not on {', '.join(told['not_by'])}" if told["not_by"] else ""
        texts.append((f"on {', '.join(told['held_by'])}{lacking}", "dim"))
    show(texts)


# What people see.


def lines(grid: Grid) -> Iterator[tuple[str, str]]:
    """The grid, line by line, each with its style."""
    yield grid.headline, _style(grid)
    rows = [*(_control_row(each) for each in grid.controls), *(_vault_row(grid, each) for each in grid.vaults)]
    if rows:
        yield "", ""
    widths = [max(len(row[column]) for row, _ in rows) for column in range(len(rows[0][0]) - 1)]
    for row, style in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        yield "  " + "  ".join([*cells, row[-1]]).rstrip(), style
    for number, warned in enumerate(grid.warnings()):
        if not number:
            yield "", ""
        yield f"! {warned.text}", "yellow"
        yield f"  {warned.cure}", ""


def _style(grid: Grid) -> str:
    if not grid.serves:
        return "bold red"
    return "bold yellow" if grid.is_degraded else "bold green"


def _control_row(control: Control) -> tuple[list[str], str]:
    if not control.is_up:
        return [control.name, control.address, "", "", f"does not answer: {control.answer.problem}"], "red"
    says = f"answers {control.answer.value}" if control.serves else f"answers {control.answer.code}: no majority"
    doing = control.in_progress.get("waiting operations", 0)
    more = [control.protocol, *([f"{doing} operations wait"] if doing else [])]
    return [control.name, control.address, says, _since(control.uptime_s), ", ".join(filter(None, more))], (
        "green" if control.serves else "red"
    )


def _vault_row(grid: Grid, vault: Vault) -> tuple[list[str], str]:
    if not vault.is_up:
        heard = vault.known.held if vault.known is not None else None
        last = "" if heard is None else f" (it held {heard} when control last heard of it)"
        return [vault.name, vault.address, "", "", f"does not answer: {vault.answer.problem}{last}"], "red"
    lag = grid.lag(vault)
    says = f"shows {vault.shown}"
    more = []
    if vault.disk_failed:
        more.append("its disk has failed")
    if lag:
        more.append(f"{lag} behind")
    if vault.durable is not None and vault.durable != vault.shown:
        more.append(f"{vault.durable} on its disk")
    if vault.identity:
        more.append(vault.identity[:IDENTITY_SHOWN])
    style = "red" if vault.disk_failed else "yellow" if lag else "green"
    return [vault.name, vault.address, says, _since(vault.uptime_s), ", ".join(more)], style


def _since(uptime_s: float | None) -> str:
    """How long it has been up, in one number."""
    if uptime_s is None:
        return ""
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if uptime_s >= size:
            return f"up {uptime_s / size:.0f} {unit}"
    return f"up {uptime_s:.0f} s"


def as_json(grid: Grid) -> dict[str, Any]:
    """The grid, for programs."""
    return {
        "serves": grid.serves,
        "degraded": grid.is_degraded,
        "value": grid.value,
        "floor": grid.floor,
        "headline": grid.headline,
        "majority": grid.majority if grid.vaults else None,
        "losses_left": grid.losses_left if grid.vaults else None,
        "controls": [
            {
                "name": each.name,
                "address": each.address,
                "up": each.is_up,
                "problem": each.answer.problem or None,
                "serves": each.serves,
                "status": dict(each.status),
            }
            for each in grid.controls
        ],
        "vaults": [
            {
                "name": each.name,
                "address": each.address,
                "up": each.is_up,
                "problem": each.answer.problem or None,
                "shown": each.shown,
                "durable": each.durable,
                "lag": grid.lag(each),
                "identity": each.identity,
                "status": dict(each.status),
            }
            for each in grid.vaults
        ],
        "warnings": [{"warning": each.text, "cure": each.cure} for each in grid.warnings()],
    }
