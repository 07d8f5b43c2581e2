"""The ``glitchgrid`` command."""


def main() -> None:
    """To come."""
