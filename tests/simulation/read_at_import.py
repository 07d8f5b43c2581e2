"""A module that reads files when it is imported: what it finds depends on the machine."""

import os


def read(name: str, otherwise: str) -> str:
    if not os.path.exists(name):
        return otherwise
    with open(name) as file:
        return file.read()


VALUE, STARTS = read("/etc/value", "usual"), int(read("/srv/starts", "0"))
