"""Random histories of any length: ten clients, no lies, and times that overlap."""

import random
from collections.abc import Iterator

MAX_REGISTER, REGISTER, UNIQUE_REGISTER = "max-register", "register", "register, unique values"
KINDS = (MAX_REGISTER, REGISTER, UNIQUE_REGISTER)
CLIENTS = 10
SEED = 16
VALUES = 9
"""A register whose values are not unique holds one of so many."""


def drawn_lines(kind: str, operations: int) -> Iterator[str]:
    """The lines of one of `KINDS`: in JSON, or in glitchgrid's own format for a max-register."""
    drawn = random.Random(SEED)
    free_ns = [0] * CLIENTS
    moments = []
    for op in range(operations):
        client = min(range(CLIENTS), key=free_ns.__getitem__)
        call_ns = free_ns[client] + drawn.randint(1, 1000)
        effect_ns = call_ns + drawn.randint(1, 2000)
        free_ns[client] = effect_ns + drawn.randint(1, 2000)
        moments.append((effect_ns, op, client, call_ns, free_ns[client]))
    value = 0
    lines: list[tuple[int, str]] = []
    for _, op, client, call_ns, end_ns in sorted(moments):
        is_write = drawn.getrandbits(1) == 1
        if kind == MAX_REGISTER:
            value = value + drawn.randint(0, 3) if is_write and value else max(value, 1)
        elif is_write:
            value = value + 1 if kind == UNIQUE_REGISTER else drawn.randint(1, VALUES)
        lines += (
            _ours(op, client, call_ns, end_ns, value, is_write)
            if kind == MAX_REGISTER
            else _json(client, call_ns, end_ns, value, is_write)
        )
    lines.sort()
    yield from ['{"history": 1, "initial": 1}\n'] if kind == MAX_REGISTER else []
    yield from (line for _, line in lines)


def _ours(op: int, client: int, call_ns: int, end_ns: int, value: int, is_write: bool) -> list[tuple[int, str]]:
    called = f'"call": "write", "value": {value}' if is_write else '"call": "read"'
    returned = "" if is_write else f' "value": {value},'
    return [
        (call_ns, f'{{"op": {op}, {called}, "client": "c{client}", "at_ns": {call_ns}}}\n'),
        (end_ns, f'{{"op": {op}, "return": "ok",{returned} "at_ns": {end_ns}}}\n'),
    ]


def _json(client: int, call_ns: int, end_ns: int, value: int, is_write: bool) -> list[tuple[int, str]]:
    function = "write" if is_write else "read"
    returned = value or "null"  # nothing was written yet
    called = value if is_write else "null"
    start = f'{{"process": {client}, "f": "{function}", "type": '
    return [
        (call_ns, f'{start}"invoke", "value": {called}, "time": {call_ns}}}\n'),
        (end_ns, f'{start}"ok", "value": {returned}, "time": {end_ns}}}\n'),
    ]
