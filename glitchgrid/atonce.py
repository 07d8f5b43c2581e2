"""Bytes go to the kernel at once: to leave them to the transport costs a turn of the reactor and two system calls."""

from typing import Any


def unsent(transport: Any, data: bytes) -> bytes:
    """Give `data` to the kernel, and return what it did not take: that, and what follows, is the transport's to send.

    :param transport: a connected one of Twisted's, which has nothing to send itself.
    """
    sent = transport.writeSomeData(data)
    if isinstance(sent, int) and sent > 0:
        return data[sent:]
    return data  # an error shows again when the transport sends it, and is handled there
