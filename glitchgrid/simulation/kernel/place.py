"""Where a world runs: a real process in which the order of things does not depend on chance."""

import ctypes
import os
import sys

ADDR_NO_RANDOMIZE = 0x0040000
"""personality(2): the same addresses in each process."""

HASH_SEED = 1
"""Of Python's hashes, where nobody says another. With 0 they have no salt, and C code that is to use the same for its
own (expat, which parses XML) draws one by chance: then runs with other seeds would draw less.
"""

_QUERY = 0xFFFFFFFF
_AGAIN = "GLITCHGRID_PLACED"


def without_chance() -> None:
    """Execute this program again, once, where addresses or hashes are random: sets of objects are ordered by these.

    Where the system does not allow it, the program goes on as it is: what it runs is the same but where it depends on
    the order of a set of objects.
    """
    if os.environ.pop(_AGAIN, None) is not None:
        return
    is_fixed = _fix_addresses()
    hash_seed = os.environ.get("PYTHONHASHSEED", "")
    if is_fixed and hash_seed.isdecimal():
        return
    environment = os.environ | {"PYTHONHASHSEED": hash_seed if hash_seed.isdecimal() else str(HASH_SEED), _AGAIN: "1"}
    os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606 - this very program


def _fix_addresses() -> bool:
    """Returns whether they were fixed before already, for this process."""
    try:
        personality = ctypes.CDLL(None, use_errno=True).personality
    except (OSError, AttributeError):
        return True  # no Linux, and nothing to be done
    before = personality(ctypes.c_ulong(_QUERY))
    if before < 0 or before & ADDR_NO_RANDOMIZE:
        return True
    return bool(personality(ctypes.c_ulong(before | ADDR_NO_RANDOMIZE)) < 0)
