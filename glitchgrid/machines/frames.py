"""Ethernet frames, as far as a switch reads them, and the files of frames that Wireshark and tcpdump open."""

import struct
from pathlib import Path

ADDRESS_BYTES = 6
FRAME_BYTES_MAX = 65_536

_PCAP_MAGIC_NS, _PCAP_VERSION, _LINKTYPE_ETHERNET = 0xA1B23C4D, (2, 4), 1
SECOND_NS = 1_000_000_000

_ETHERNET_BYTES, _IPV4, _TCP = 14, b"\x08\x00", 6
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10


def target_of(frame: bytes) -> bytes:
    """The hardware address that a frame is for."""
    return frame[:ADDRESS_BYTES]


def is_for_many(frame: bytes) -> bool:
    """Broadcast or multicast (IEEE 802.3, 3.2.3)."""
    return bool(frame[0] & 1)


def payload_of(frame: bytes) -> bytes:
    """What a segment of TCP over IPv4 carries; nothing where it is no such segment."""
    if frame[12:14] != _IPV4 or len(frame) < _ETHERNET_BYTES + 40 or frame[_ETHERNET_BYTES + 9] != _TCP:
        return b""
    begin = _ETHERNET_BYTES + (frame[_ETHERNET_BYTES] & 0x0F) * 4
    (length,) = struct.unpack_from("!H", frame, _ETHERNET_BYTES + 2)
    return frame[begin + (frame[begin + 12] >> 4) * 4 : _ETHERNET_BYTES + length]


def resets_for(frame: bytes) -> tuple[bytes, bytes] | None:
    """The resets that break the connection of a segment of TCP (RFC 9293, 3.10.7): one back, one on.

    None for what is no segment of TCP over IPv4, is a reset, or begins a connection.
    """
    if frame[12:14] != _IPV4 or len(frame) < _ETHERNET_BYTES + 40:
        return None
    header_bytes = (frame[_ETHERNET_BYTES] & 0x0F) * 4
    if frame[_ETHERNET_BYTES + 9] != _TCP:
        return None
    begin = _ETHERNET_BYTES + header_bytes
    source, target = frame[26:30], frame[30:34]
    source_port, target_port, sequence, acknowledged = struct.unpack_from("!HHII", frame, begin)
    flags = frame[begin + 13]
    if flags & (_RST | _SYN):
        return None
    (length,) = struct.unpack_from("!H", frame, _ETHERNET_BYTES + 2)
    said = length - header_bytes - (frame[begin + 12] >> 4) * 4 + bool(flags & _FIN)
    heard = (sequence + said) & 0xFFFFFFFF
    there, here = frame[:6], frame[6:12]
    back = _segment(here, there, target, source, target_port, source_port, acknowledged, heard)
    on = _segment(there, here, source, target, source_port, target_port, sequence, acknowledged)
    return back, on


def _segment(
    to_mac: bytes, from_mac: bytes, source: bytes, target: bytes, from_port: int, to_port: int, sequence: int, ack: int
) -> bytes:
    """A reset."""
    tcp = struct.pack("!HHIIBBHHH", from_port, to_port, sequence, ack, 5 << 4, _RST | _ACK, 0, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, _TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", _checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, _TCP, 0) + source + target
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    return to_mac + from_mac + _IPV4 + ip + tcp


def _checksum(data: bytes) -> int:
    """Of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pcap:
    """A file of frames (pcap, with nanoseconds).

    :param bytes_max: nothing is added to a file beyond that.
    """

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._file = path.open("wb")
        self._left = bytes_max
        self._file.write(
            struct.pack("<IHHiIII", _PCAP_MAGIC_NS, *_PCAP_VERSION, 0, 0, FRAME_BYTES_MAX, _LINKTYPE_ETHERNET)
        )
        self.missed = 0

    def add(self, at_ns: int, frame: bytes) -> None:
        """:param at_ns: since 1970."""
        if self._left < len(frame):
            self.missed += 1
            return
        self._left -= len(frame)
        seconds, rest_ns = divmod(at_ns, SECOND_NS)
        self._file.write(struct.pack("<IIII", seconds, rest_ns, len(frame), len(frame)) + frame)

    def close(self) -> None:
        self._file.close()
