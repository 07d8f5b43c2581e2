"""The optional C part: the time of day and the chance that C code asks for are the world's, too.

The seam answers what Python code asks. What C code asks goes by it: OpenSSL takes keys and nonces from its own random
numbers, and reads the clock to judge a certificate. A small library, preloaded into the runner's process, answers that
while a process of the world runs: `shim.c` stands for libc's time of day and entropy, `provider.c` gives OpenSSL its
random numbers. Then TLS is the same from the same seed, to the byte. Outside of the world's processes, and in other
threads, all answers are the real ones.

Whoever starts the runner sets its `environment`; the runner asks for what is `loaded`::

    library = native.find()
    settings = {} if library is None else native.environment(library, os.environ)
    subprocess.run([sys.executable, ...], env=os.environ | settings)

What is made within a run is the run's: an ``SSL_CTX`` made before it has keys for session tickets from real chance.

What it does not answer: monotonic clocks (`shim.c` says why), libraries that enter the kernel by themselves or read
``/dev/urandom``, glibc's own calls of itself (``arc4random``), and an OpenSSL before 3.0, which knows no providers.
"""

import ctypes
import hashlib
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = "glitchgrid_native.so"
SETTINGS = HERE / "openssl.cnf"

STATE_WORDS = 4
"""Of 64 bits: the state of the generator in `chance.c`."""

_SPLITS = set(" :\t\n")
"""Where the dynamic linker divides a list of libraries: it knows no quotes (ld.so(8); musl's takes any space)."""


def find() -> Path | None:
    """Where the built library is: None if it was not built, or cannot be preloaded from there. See `explanation`."""
    library = HERE / LIBRARY
    return library if library.is_file() and not _SPLITS & set(str(library)) else None


def environment(library: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """What a runner's process that is to have the library needs in its environment.

    The processes that it starts inherit this. In them every answer is the real one, whatever program they are.

    :param library: from `find`.
    :param inherited: the environment that the process gets otherwise: what it preloads is kept.
    """
    return {
        "LD_PRELOAD": ":".join(filter(None, [str(library), inherited.get("LD_PRELOAD", "")])),
        "OPENSSL_CONF": str(SETTINGS),
        "GLITCHGRID_NATIVE": str(library),  # which those settings name
    }


def explanation() -> str:
    """For people who do without it: what is weaker, and how to get it."""
    weaker = (
        "Without its C part the simulated world answers Python code alone. C code has the real date and real chance: "
        "TLS works, but its bytes, and by a few bytes its lengths, differ between two runs of one seed, and "
        "certificates are judged by today's date."
    )
    if not sys.platform.startswith("linux"):
        return f"{weaker} The C part needs Linux."
    if _SPLITS & set(str(HERE)):
        return f"{weaker} The C part cannot be preloaded from {HERE}, since the path has a space or a colon."
    return (
        f"{weaker} It is built where Glitch Grid is installed and a C compiler is there "
        "(Debian: apt-get install gcc libc6-dev). Then install Glitch Grid again."
    )


class _World(ctypes.Structure):
    """`struct world` in native.h."""

    _fields_ = (
        ("is_inside", ctypes.c_int64),
        ("wall_ns", ctypes.c_int64),
        ("draws", ctypes.c_uint64),
        ("state", ctypes.c_uint64 * STATE_WORDS),
    )
    is_inside: int
    wall_ns: int
    draws: int
    state: ctypes.Array[ctypes.c_uint64]


class Native:
    """The C part in a process that it was preloaded into, for the thread that made this object, and no other."""

    def __init__(self, library: ctypes.CDLL) -> None:
        find_world = library.glitchgrid_world
        find_world.restype = ctypes.POINTER(_World)
        self._world: _World = find_world().contents  # written in place: a call would take four times as long

    def seed(self, run_seed: str) -> None:
        """Begin a run: from here on its chance follows from the seed alone."""
        digest = hashlib.blake2b(run_seed.encode(), digest_size=8 * STATE_WORDS, person=b"native chance").digest()
        self._world.state[:] = list(struct.unpack(f"<{STATE_WORDS}Q", digest))
        self._world.draws = 0

    def enter(self, wall_ns: int) -> None:
        """A process of the world goes on, whose time of day is this until the next call.

        :param wall_ns: since 1970, and not before.
        """
        world = self._world
        world.wall_ns = wall_ns
        world.is_inside = 1

    def leave(self) -> None:
        """It has given way to the world: the answers are the real ones again."""
        self._world.is_inside = 0

    @property
    def draws(self) -> int:
        """How often C code has drawn 64 bits since the seed: the same in each run of a seed."""
        return self._world.draws


def loaded() -> Native | None:
    """The library, if it was preloaded into this process; for the calling thread."""
    everything = ctypes.CDLL(None)
    return Native(everything) if hasattr(everything, "glitchgrid_world") else None
