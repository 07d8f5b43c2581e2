"""A network without devices: ``python -m glitchgrid.machines.segment ADDRESS``, in a network namespace of its own.

Its loopback interface has the addresses of all machines, which share it. It says ``ready``, and ends with its input.
"""

import sys

from glitchgrid.machines import interface


def main() -> None:
    """Exits with 1, and says why, where the kernel refuses it."""
    try:
        interface.set_up_shared(sys.argv[1])
    except OSError as error:
        sys.exit(f"no network: {error.strerror}")
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
