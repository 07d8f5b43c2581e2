"""Frames: resets that break a connection, and files that other programs open."""

import struct
import subprocess
from pathlib import Path

from glitchgrid.machines.frames import Pcap, is_for_many, payload_of, resets_for, target_of

A, B = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
ADDRESS_A, ADDRESS_B = b"\x0a\x4d\0\x01", b"\x0a\x4d\0\x02"
SYN, RST, ACK, FIN, PSH = 0x02, 0x04, 0x10, 0x01, 0x08


def segment(flags: int, data: bytes = b"", sequence: int = 1000, ack: int = 2000, kind: int = 6) -> bytes:
    """From A's port 40000 to B's port 80."""
    tcp = struct.pack("!HHIIBBHHH", 40000, 80, sequence, ack, 5 << 4, flags, 100, 0, 0) + data
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, kind, 0) + ADDRESS_A + ADDRESS_B
    return B + A + b"\x08\x00" + ip + tcp


def read(frame: bytes) -> tuple[bytes, bytes, bytes, bytes, int, int, int, int, int]:
    source_port, target_port, sequence, ack = struct.unpack_from("!HHII", frame, 34)
    return frame[:6], frame[6:12], frame[26:30], frame[30:34], source_port, target_port, sequence, ack, frame[47]


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_both_ends_are_told_in_words_that_they_believe() -> None:
    resets = resets_for(segment(ACK | PSH, b"hello"))
    assert resets is not None
    back, on = resets
    assert read(back) == (A, B, ADDRESS_B, ADDRESS_A, 80, 40000, 2000, 1005, RST | ACK)
    assert read(on) == (B, A, ADDRESS_A, ADDRESS_B, 40000, 80, 1000, 2000, RST | ACK)
    for frame in resets:
        assert checksum(frame[14:34]) == 0xFFFF
        pseudo = frame[26:34] + struct.pack("!BBH", 0, 6, len(frame) - 34)
        assert checksum(pseudo + frame[34:]) == 0xFFFF


def test_an_end_counts_as_something_said() -> None:
    resets = resets_for(segment(ACK | FIN))
    assert resets is not None
    assert read(resets[0])[7] == 1001


def test_what_breaks_nothing() -> None:
    assert resets_for(segment(SYN)) is None
    assert resets_for(segment(RST)) is None
    assert resets_for(segment(ACK, kind=17)) is None
    assert resets_for(B + A + b"\x08\x06" + bytes(46)) is None
    assert resets_for(B + A) is None


def test_what_a_segment_carries() -> None:
    assert payload_of(segment(ACK | PSH, b"hello")) == b"hello"
    assert payload_of(segment(ACK | PSH, b"hello") + bytes(6)) == b"hello", "what fills a frame is none of it"
    assert payload_of(segment(ACK)) == b""
    assert payload_of(segment(ACK, b"hello", kind=17)) == b""
    assert payload_of(B + A + b"\x08\x06" + bytes(46)) == b""
    assert payload_of(B + A) == b""


def test_whom_a_frame_is_for() -> None:
    assert target_of(segment(ACK)) == B
    assert not is_for_many(segment(ACK))
    assert is_for_many(b"\xff" * 6 + A)


def test_a_file_of_frames(tmp_path: Path) -> None:
    path = tmp_path / "frames.pcap"
    pcap = Pcap(path, bytes_max=100)
    pcap.add(1_700_000_000_000_000_007, segment(ACK))
    pcap.add(1_700_000_000_000_000_008, segment(ACK))
    assert pcap.missed == 1, "there is room for one"
    pcap.close()
    data = path.read_bytes()
    assert struct.unpack_from("<IHH", data) == (0xA1B23C4D, 2, 4)
    assert struct.unpack_from("<IIII", data, 24) == (1_700_000_000, 7, 54, 54)
    assert data[40:] == segment(ACK)
    said = subprocess.run(["file", "--brief", path], capture_output=True, text=True, check=False).stdout
    assert not said or "pcap capture file" in said
