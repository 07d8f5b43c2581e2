"""Files of tokens: who may read and who may write, and what a client presents.

::

    # one a line, with what its holder may do; who may write may read
    write  Zk3vN0c5m1J8xQ2b
    read   t7Yw4R9p6L0aHs1d

A token is 16 to 256 characters of those that `Authorization: Bearer` takes (RFC 6750, section 2.1). A client presents
the first token of its file, where the word in front may be missing. A file that everybody can read is refused.
"""

import os
import re
import stat
from collections.abc import Sequence

from attrs import frozen

from glitchgrid.errors import BadTokenFile

TOKENS_MAX = 100
"""Each of them is compared with what a request presents."""

FILE_BYTES_MAX = 64 * 1024

READ, WRITE = "read", "write"

_TOKEN = re.compile(r"(?=.{16,256}$)[A-Za-z0-9._~+/-]+=*")


@frozen
class Token:
    text: bytes
    may_write: bool


def read_tokens(path: str) -> Sequence[Token]:
    """Every token of a file.

    :raises BadTokenFile: for one that has none, or that cannot be read, or that everybody can read.
    """
    tokens = []
    for number, line in _lines(path):
        word, _, text = line.partition(" ")
        text = text.strip()
        if word not in {READ, WRITE} or not _TOKEN.fullmatch(text):
            form = "each has 'read' or 'write', and a token of 16 to 256 letters, digits and ._~+/-"
            raise BadTokenFile(path, f"line {number} is none of a file of tokens: {form}")
        tokens.append(Token(text.encode("ascii"), word == WRITE))
    if not tokens:
        raise BadTokenFile(path, "it has no token: a line has 'read' or 'write', and a token")
    if len(tokens) > TOKENS_MAX:
        raise BadTokenFile(path, f"it has {len(tokens)} tokens, and {TOKENS_MAX} are the most")
    return tokens


def first_token(path: str) -> bytes:
    """What a client presents.

    :raises BadTokenFile: as `read_tokens`.
    """
    for number, line in _lines(path):
        text = line.split()[-1]
        if not _TOKEN.fullmatch(text):
            raise BadTokenFile(path, f"line {number} has no token of 16 to 256 letters, digits and ._~+/-")
        return text.encode("ascii")
    raise BadTokenFile(path, "it has no token")


def _lines(path: str) -> list[tuple[int, str]]:
    """What stands there, but for comments and empty lines, with the lines' numbers from 1 on."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IROTH | stat.S_IWOTH):
                raise BadTokenFile(path, f"everybody can read it: chmod o-rw {path}")
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadTokenFile(path, error.strerror or str(error)) from error
    if len(data) > FILE_BYTES_MAX:
        raise BadTokenFile(path, f"it is larger than {FILE_BYTES_MAX // 1024} KiB")
    lines = [" ".join(line.split()) for line in data.decode("utf-8", "replace").splitlines()]
    return [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
