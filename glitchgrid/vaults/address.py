"""HOST:PORT, as `--vaults` takes it, and when two of them are one vault."""

import ipaddress
import re

from attrs import frozen

from glitchgrid.errors import BadAddress

VAULTS_MAX = 64
"""The longest list of vaults: every operation asks each of them."""

_PORT_MAX = 65535
_NAME_CHARACTERS_MAX = 253
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""With underscores: resolvers take them, and Compose has made such names."""
_PORT = re.compile(r"[0-9]{1,5}")
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


@frozen
class VaultAddress:
    """Where a vault is: a name or an IP literal (without brackets), and a port from 1 to 65535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, kind: str = "vault") -> "VaultAddress":
        """Read ``name:port``, ``192.0.2.1:port`` or ``[2001:db8::1]:port``.

        :param kind: of whom, for the error.
        :raises BadAddress: for everything else, naming the text.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not _PORT.fullmatch(port) or not 1 <= int(port) <= _PORT_MAX:
            raise BadAddress(f"bad {kind} address {text!r}: it needs a port from 1 to 65535, as in 127.0.0.1:8001")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if not _is_ip(host, version=6):
                raise BadAddress(f"bad {kind} address {text!r}: what stands in brackets is no IPv6 address")
        elif not _is_ip(host, version=4) and not _is_name(host):
            raise BadAddress(f"bad {kind} address {text!r}: {host!r} is neither a host name nor an IP address")
        return cls(host, int(port))

    def __str__(self) -> str:
        return _bracketed(self.host, self.port)

    @property
    def canonical_text(self) -> str:
        """One text for all spellings of an address, as far as `canonical` knows them."""
        return _bracketed(*self.canonical())

    @property
    def is_ip_literal(self) -> bool:
        return _is_ip(self.host)

    def canonical(self) -> tuple[str, int]:
        """Equal for two spellings of one address, as far as that can be seen without asking a name server."""
        host = self.host.rstrip(".").lower()
        if host in _LOOPBACK_NAMES:
            host = "127.0.0.1"
        if _is_ip(host):
            ip = ipaddress.ip_address(host)
            mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
            host = str(mapped or ip)
        return host, self.port


def _bracketed(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_vaults(text: str) -> tuple[VaultAddress, ...]:
    """Read a comma-separated list of vaults.

    :raises BadAddress: when it is empty, too long, has a bad address, or lists a vault twice.
    """
    texts = [part.strip() for part in text.split(",")]
    if texts == [""]:
        raise BadAddress("the list of vaults is empty: it needs at least one HOST:PORT")
    vaults = tuple(VaultAddress.parse(part) for part in texts)
    if len(vaults) > VAULTS_MAX:
        raise BadAddress(f"{len(vaults)} vaults are listed, and {VAULTS_MAX} is the most")
    seen: dict[tuple[str, int], VaultAddress] = {}
    for vault in vaults:
        twin = seen.setdefault(vault.canonical(), vault)
        if twin is not vault:
            spelling = "" if twin == vault else f" (as {twin} and as {vault})"
            raise BadAddress(f"vault {vault} is listed twice{spelling}: it would count twice towards a majority")
    return vaults


def _is_ip(host: str, version: int | None = None) -> bool:
    if "%" in host:
        return False  # a zone has no place in the URL that is asked
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return version is None or ip.version == version


def _is_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    if len(host) > _NAME_CHARACTERS_MAX or not all(map(_LABEL.fullmatch, labels)):
        return False
    # A last label of digits alone would be read as an IPv4 address by some resolvers (RFC 1123, section 2.1).
    return not labels[-1].isdigit()
