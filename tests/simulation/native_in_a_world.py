"""Programs for `test_native`: what C code asks for, and TLS, in a process that the C part was preloaded into.

Nothing of Python is patched here, so whatever is the world's was asked of C. Arguments: which program; the seed of the
run, if it has one; whether the program is "inside" the world, or "outside". Each program prints lines.
"""

import contextlib
import ctypes
import hashlib
import os
import random
import secrets
import ssl
import struct
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from glitchgrid.simulation import native

WALL_NS = 2_222_222_222_123_456_789
"""In June 2040: by the real clock, a certificate of that day is not valid yet."""

NAME = "a.example"
DAY = timedelta(days=1)
HELLO = b"hello, " * 5_000
"""More than a record of TLS can hold."""

TURNS_MAX = 20
"""More than a handshake and the bytes behind it take."""

libc = ctypes.CDLL(None)
libc.time.restype = ctypes.c_long


def chance(_: native.Native) -> Iterator[object]:
    """What comes of chance."""
    yield ssl.RAND_bytes(33).hex()
    yield ssl.RAND_status()
    yield hashlib.sha256(ssl.RAND_bytes(200_000)).hexdigest()
    yield os.urandom(5).hex()
    yield secrets.token_hex(), uuid.uuid4(), random.Random().random()
    entropy = ctypes.create_string_buffer(8)
    yield libc.getentropy(entropy, 8), entropy.raw.hex(), libc.getentropy(entropy, 257)
    yield _pem(ec.generate_private_key(ec.SECP256R1()))
    yield _pem(ed25519.Ed25519PrivateKey.generate())
    yield _pem(rsa.generate_private_key(65537, 2048))
    yield _certificate()


def clocks(_: native.Native) -> Iterator[object]:
    """What comes of the clocks: twice the time of day, then another one."""
    timeval, zone = (ctypes.c_long * 2)(), (ctypes.c_int * 2)(-1, -1)
    libc.gettimeofday(timeval, zone)
    yield time.time_ns(), time.clock_gettime_ns(time.CLOCK_TAI), datetime.now(UTC)
    yield libc.time(None), list(timeval), list(zone), uuid.uuid1().time
    yield time.monotonic_ns()


def standard(_: native.Native) -> Iterator[object]:
    """TLS by the standard library, over the system's OpenSSL."""
    certificate, key = _certificate()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "server.pem"
        file.write_bytes(certificate + key)
        trusting = ssl.create_default_context(cafile=file)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(file)
    bios = [ssl.MemoryBIO() for _ in range(4)]
    server = serving.wrap_bio(bios[0], bios[1], server_side=True)
    client = trusting.wrap_bio(bios[2], bios[3], server_hostname=NAME)
    heard, carried = [], b""
    steps: list[Callable[[], object]] = [client.do_handshake, server.do_handshake] * 2
    steps += [lambda: server.write(HELLO), *[lambda: heard.append(client.read(len(HELLO)))] * TURNS_MAX]
    for step in steps:
        with contextlib.suppress(ssl.SSLWantReadError):
            step()
        for source, target in ((bios[1], bios[2]), (bios[3], bios[0])):
            data = source.read()
            target.write(data)
            carried += data
    yield hashlib.sha256(carried).hexdigest(), len(carried)
    yield b"".join(heard) == HELLO, client.version(), client.session is not None and client.session.has_ticket


def twisted(_: native.Native) -> Iterator[object]:
    """TLS by Twisted, over pyOpenSSL and the OpenSSL in cryptography's wheel."""
    clock, heard, versions, ends, carried = Clock(), [], set(), [], b""

    class Serve(Protocol):
        transport: Any

        def connectionMade(self) -> None:
            self.transport.write(HELLO)

    class Hear(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            heard.append(data)
            versions.add(self.transport.getHandle().get_protocol_version_name())

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            ends.append(reason.getErrorMessage())

    certificate, key = _certificate()
    serving = PrivateCertificate.loadPEM(certificate + key).options()
    trusting: Any = optionsForClientTLS(NAME, trustRoot=Certificate.loadPEM(certificate))
    server = TLSMemoryBIOFactory(serving, False, Factory.forProtocol(Serve), clock).buildProtocol(None)
    client = TLSMemoryBIOFactory(trusting, True, Factory.forProtocol(Hear), clock).buildProtocol(None)
    to_client, to_server = StringTransportWithDisconnection(), StringTransportWithDisconnection()
    for protocol, transport in ((server, to_client), (client, to_server)):
        transport.protocol = protocol
        protocol.makeConnection(transport)
    for _turn in range(TURNS_MAX):
        clock.advance(0)
        for transport, target in ((to_client, client), (to_server, server)):
            data = transport.value()
            transport.clear()
            carried += data
            if data:
                target.dataReceived(data)
    yield hashlib.sha256(carried).hexdigest(), len(carried)
    yield b"".join(heard) == HELLO, versions, ends


def runs(part: native.Native) -> Iterator[object]:
    """Several runs in one process, of which only the first and the third are the same."""
    for seed in ("1", "2", "1"):
        part.seed(seed)
        yield part.draws, ssl.RAND_bytes(17).hex(), part.draws, _pem(ec.generate_private_key(ec.SECP256R1()))


def elsewhere(part: native.Native) -> Iterator[object]:
    """Where the world does not answer: each line has a time of day, and chance."""

    def read() -> None:
        told.append((time.time_ns(), ssl.RAND_bytes(16).hex(), os.urandom(16).hex()))

    told: list[object] = []
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    part.leave()
    read()
    yield from told


def busy(_: native.Native) -> Iterator[object]:
    """The interpreter's lock is given up, and taken again while another thread computes and gives nothing up."""
    is_over: list[bool] = []

    def compute() -> None:
        while not is_over:
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    with open(os.devnull, "wb", buffering=0) as file:
        written = [file.write(b"x") for _ in range(10)]
    is_over.append(True)
    thread.join()
    yield sum(written)


def forked(part: native.Native) -> Iterator[object]:
    """A run in a child of the process where the run before it was, and the same run in that process."""
    reading, writing = os.pipe()
    ssl.RAND_bytes(8)
    child = os.fork()
    part.seed("another")
    drawn = ssl.RAND_bytes(8)
    if child == 0:
        os.write(writing, drawn)
        os._exit(0)
    os.waitpid(child, 0)
    yield os.read(reading, 8).hex()
    yield drawn.hex()


def reference(part: native.Native) -> Iterator[object]:
    """The generator's first words after a state of 1, 2, 3, 4."""
    part._world.state[:] = [1, 2, 3, 4]
    yield struct.unpack("<4Q", ssl.RAND_bytes(32))


def _pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _certificate() -> tuple[bytes, bytes]:
    """Of a server, for that day alone, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    at = datetime.fromtimestamp(WALL_NS // 1_000_000_000, UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), at - DAY, at + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(Encoding.PEM), _pem(key)


def main(program: str, seed: str, where: str) -> None:
    part = native.loaded()
    if part is None:
        raise SystemExit("the C part was not preloaded")
    if seed:
        part.seed(seed)
    if where == "inside":
        part.enter(WALL_NS)
    try:
        for each in globals()[program](part):
            print(each)
    except ssl.SSLError as error:
        print(error.reason, error.strerror)
    part.leave()
    print(part.draws)


if __name__ == "__main__":
    main(*sys.argv[1:])
