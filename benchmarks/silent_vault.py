"""A vault that accepts every connection, and never answers.

It reads what comes and throws it away, so that it sees the other side close and keeps no dead connections.

    python benchmarks/silent_vault.py PORT
"""

import selectors
import socket
import sys

BACKLOG = 1024
CHUNK_BYTES = 65536


def main(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket):
                    _discard(selector, key.fileobj)


def _discard(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    try:
        ended = not connection.recv(CHUNK_BYTES)
    except OSError:
        ended = True
    if ended:
        selector.unregister(connection)
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
