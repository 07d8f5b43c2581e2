"""The limits that servers promise, written down again: if they were imported, no oracle would notice a change."""

STORE_TIMEOUT_S = 10.0
"""A vault answers a store so long after it came, at the latest."""

OPERATION_TIMEOUT_S = 4.0
"""A control answers each operation so long after it came, at the latest."""

STOP_TIMEOUT_S = 5.0
"""What is in progress has so long to end once a server is told to."""

VALUE_MAX = 2**63 - 1
LINGER_S = 2.0
"""A client that was refused is let send into the void for so long."""

PIPELINED_MAX = 16
"""So many requests of one connection are answered before it is the others' turn."""

TURNED_AWAY_MAX = 100
"""So many connections are told at one time that they are too many."""


def majority(vaults: int) -> int:
    """More than half of them."""
    return vaults // 2 + 1
