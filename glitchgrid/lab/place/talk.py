"""What two real processes say to each other: objects, pickled, each behind its length."""

import os
import pickle
import select
import struct
import time
from typing import Any

READ_BYTES = 1 << 20
_LENGTH = struct.Struct("!Q")


class Talk:
    """One end of it.

    :param reading: a descriptor.
    :param writing: another one, or the same.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._data = bytearray()

    @property
    def descriptor(self) -> int:
        """Of what is heard."""
        return self._reading

    def say(self, what: object) -> None:
        """:raises BrokenPipeError: where nobody listens."""
        data = pickle.dumps(what)
        left = memoryview(_LENGTH.pack(len(data)) + data)
        while left:
            left = left[os.write(self._writing, left) :]

    def hear(self) -> Any:
        """Wait for the next of what is said.

        :raises EOFError: at the end.
        """
        while not self._is_whole():
            self._read()
        end = _LENGTH.size + self._next_length
        data = bytes(memoryview(self._data)[_LENGTH.size : end])
        del self._data[:end]
        return pickle.loads(data)

    def has_come(self, within_s: float) -> bool:
        """Whether the next is there, or comes in that time.

        :raises EOFError: where the end comes before it.
        """
        until_s = time.monotonic() + within_s
        while not self._is_whole():
            if not select.select([self._reading], [], [], max(0, until_s - time.monotonic()))[0]:
                return False
            self._read()
        return True

    def _is_whole(self) -> bool:
        return len(self._data) >= _LENGTH.size and len(self._data) >= _LENGTH.size + self._next_length

    @property
    def _next_length(self) -> int:
        length: int = _LENGTH.unpack_from(self._data)[0]
        return length

    def _read(self) -> None:
        data = os.read(self._reading, READ_BYTES)
        if not data:
            raise EOFError
        self._data += data

    def close(self) -> None:
        for descriptor in {self._reading, self._writing}:
            os.close(descriptor)
