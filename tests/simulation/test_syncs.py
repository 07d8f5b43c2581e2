"""What a sync makes durable: what was dirty when it began, and nothing that was written while it went on."""

from glitchgrid.simulation.drive import SYNC_NS
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.nodes import File
from tests.simulation.files_box import SECOND, Box


def test_a_sync_makes_durable_what_was_dirty_when_it_began() -> None:
    box = Box()

    def sync(calls: FileCalls) -> None:
        descriptor = calls.open("/a", 0o102)
        calls.write(descriptor, b"before")
        calls.fsync(descriptor)

    def write(calls: FileCalls) -> None:
        box.kernel.current()[0].sleep(SYNC_NS // 4)
        descriptor = calls.open("/a", 2)
        calls.pwrite(descriptor, b"BEHIND", 0)

    syncing, writing = box.start(sync), box.start(write)
    box.world.run(SYNC_NS // 2, lambda: not writing.alive)
    assert (syncing.alive, writing.alive) == (True, False), "the write is over, and the sync is not"
    box.world.run(SECOND, lambda: not syncing.alive)
    (file,) = [node for name, node in box.files.root.nodes() if name == "a"]
    assert isinstance(file, File)
    assert file.data.durable == b"before"
