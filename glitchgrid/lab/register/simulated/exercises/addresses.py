"""The lists of vaults that a control takes, and why it takes no others."""

from collections.abc import Sequence

from glitchgrid.errors import BadAddress
from glitchgrid.lab.register.simulated.exercises.bench import Bench, Exercise, Problems, differs
from glitchgrid.vaults.address import VaultAddress, parse_vaults

LABEL = "a" * 63
LONGEST = ".".join([LABEL, LABEL, LABEL, "a" * 61])
"""A name of 253 characters."""

_PORT = "it needs a port from 1 to 65535"
_NEITHER = "is neither a host name nor an IP address"
_TWICE = "is listed twice"

TAKEN: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = (
    ("127.0.0.1:8001", (("127.0.0.1", 8001),)),
    ("vault1:1, vault2:65535 ,vault3:80", (("vault1", 1), ("vault2", 65535), ("vault3", 80))),
    ("[::1]:8001,[2001:db8::1]:8001", (("::1", 8001), ("2001:db8::1", 8001))),
    ("vault_1.example.:8001", (("vault_1.example.", 8001),)),
    (f"{LONGEST}:1", ((LONGEST, 1),)),
    (f"{LABEL}.a:1", ((f"{LABEL}.a", 1),)),
    ("localhost:8001,localhost:8002", (("localhost", 8001), ("localhost", 8002))),
    (",".join(f"v:{port}" for port in range(1, 65)), tuple(("v", port) for port in range(1, 65))),
)

REFUSED: tuple[tuple[str, str], ...] = (
    ("", "the list of vaults is empty"),
    ("vault1", _PORT),
    ("vault1:", _PORT),
    ("vault1:0", _PORT),
    ("vault1:65536", _PORT),
    ("vault1:+1", _PORT),
    (":8001", _NEITHER),
    ("a b:1", _NEITHER),
    ("-a:1", _NEITHER),
    ("1.2.3:1", _NEITHER),
    ("::1:8001", _NEITHER),
    ("fe80::1%eth0:1", _NEITHER),
    (f"{LONGEST}a:1", _NEITHER),
    (f"{LABEL}a:1", _NEITHER),
    ("[127.0.0.1]:1", "what stands in brackets is no IPv6 address"),
    ("[vault1]:1", "what stands in brackets is no IPv6 address"),
    ("[fe80::1%eth0]:1", "what stands in brackets is no IPv6 address"),
    ("vault1:1,vault1:1", "vault vault1:1 is listed twice: it would"),
    ("vault1:1,VAULT1.:1", f"vault VAULT1.:1 {_TWICE} (as vault1:1 and as VAULT1.:1)"),
    ("localhost:1,127.0.0.1:1", f"vault 127.0.0.1:1 {_TWICE} (as localhost:1 and as 127.0.0.1:1)"),
    ("[::1]:1,[0:0::1]:1", f"{_TWICE} (as [::1]:1 and as [0:0::1]:1)"),
    ("10.0.0.1:1,[::ffff:10.0.0.1]:1", _TWICE),
    (",".join(f"v:{port}" for port in range(1, 66)), "65 vaults are listed, and 64 is the most"),
)


def lists(_bench: Bench) -> Problems:
    """All of them; what is taken is spelt as it was."""
    for text, expected in TAKEN:
        yield from _take(text, expected)
    for text, why in REFUSED:
        taken, said = _parsed(text)
        if taken is not None or why not in said:
            yield f"{text!r} is {'taken' if taken is not None else said}, and not refused with: {why}"
    for host, is_ip in (("10.0.0.1", True), ("::1", True), ("vault1", False), ("fe80::1%eth0", False)):
        if VaultAddress(host, 1).is_ip_literal is not is_ip:
            yield f"{host} is taken for {'a name' if is_ip else 'an address'}"


def _take(text: str, expected: Sequence[tuple[str, int]]) -> Problems:
    taken, said = _parsed(text)
    if taken is None:
        yield f"{text!r} is refused: {said}"
        return
    yield from differs(text, [(vault.host, vault.port) for vault in taken], list(expected))
    yield from differs("it is shown as", ",".join(map(str, taken)), ",".join(map(str.strip, text.split(","))))


def _parsed(text: str) -> tuple[Sequence[VaultAddress] | None, str]:
    try:
        return parse_vaults(text), ""
    except BadAddress as error:
        return None, str(error)


ADDRESSES = (Exercise("lists of vaults", lists),)
