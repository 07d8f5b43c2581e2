"""A program at a vault's address that is no vault: none of its answers may count.

Its numbers are such that nobody has written them: a control that takes one for a vote shows it to its clients.
"""

from glitchgrid.lab.place.inside import Program
from glitchgrid.lab.register.scripted.script import BROKEN, CLOSED, OPEN, Reply, Script, said, scripted
from glitchgrid.wire import IDENTITY_HEADER

NUMBER = b"8888888888888888"
_NAME = (IDENTITY_HEADER, b"stranger")

WAYS: dict[str, tuple[bytes, str]] = {
    "no number": (said(200, b"vault", _NAME), OPEN),
    "a sign": (said(200, b"+" + NUMBER, _NAME), OPEN),
    "too long": (said(200, NUMBER.rjust(65), _NAME), OPEN),
    "far too long": (said(200, NUMBER.rjust(100_000), _NAME), OPEN),
    "too large": (said(200, NUMBER * 2, _NAME), OPEN),
    "cut": (said(200, NUMBER, _NAME)[:-3], CLOSED),
    "without a length": (said(200, NUMBER, _NAME, has_length=False), CLOSED),
    "without a length, broken": (said(200, NUMBER, _NAME, version=b"HTTP/1.0", has_length=False), BROKEN),
    "two names": (said(200, NUMBER, _NAME, _NAME), OPEN),
    "a name that is none": (said(200, NUMBER, (IDENTITY_HEADER, b"a b")), OPEN),
    "failed": (said(500, NUMBER, _NAME), OPEN),
    "found elsewhere": (said(302, NUMBER, (b"Location", b"http://vault1:8001/")), OPEN),
    "created": (said(201, NUMBER, _NAME), OPEN),
    "silence": (b"", OPEN),
    "no answer": (b"", CLOSED),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", OPEN),
}
"""How it answers whatever it is asked, and what becomes of the connection behind that."""


def stranger(how: str) -> Program:
    """The program of one that answers in one of these `WAYS`."""
    data, then = WAYS[how]
    return scripted(Script(0, how=lambda _script, _asked: Reply(data, 0.0, then)))
