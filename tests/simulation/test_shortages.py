"""What a machine runs out of, and what a name server does not say."""

import errno
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.threads import deferToThreadPool

from glitchgrid.simulation.disk import Mount
from glitchgrid.simulation.process import Process
from tests.simulation.stage import MS, PORT, SECOND, Talker, WorldTestCase


class DescriptorTests(WorldTestCase):
    def test_a_server_without_descriptors_closes_what_it_cannot_take(self) -> None:
        server = self.serve()
        server.descriptors_max = 1
        talker = self.connect()
        self.world.run(SECOND)
        self.assertEqual((talker.ended, self.servers), ("ConnectionDone", []))
        self.assertGreater(server.descriptors_missed, 0)
        self.near.kill()
        server.descriptors_max = 2
        talker = self.connect()
        self.world.run(SECOND)
        self.assertEqual((talker.ended, len(self.servers)), (None, 1))

    def test_a_client_without_descriptors_connects_to_nobody(self) -> None:
        self.serve()

        def begin(process: Process) -> None:
            process.descriptors_max = 0
            connecting = connectProtocol(HostnameEndpoint(process.reactor, "far", PORT), Talker())
            connecting.addErrback(lambda failure: self.failures.append(type(failure.value).__name__))

        process = self.program(self.near, begin)
        self.world.run(SECOND)
        self.assertEqual(self.failures, ["ConnectBindError"])
        self.assertEqual(process.held.connections, 0)


class NameTests(WorldTestCase):
    def look_up(self, count: int, name: str = "far") -> list[float]:
        """When each of so many connections to a name was made, in seconds."""
        made: list[float] = []

        def begin(process: Process) -> None:
            for _ in range(count):
                connecting: Deferred[Any] = connectProtocol(HostnameEndpoint(process.reactor, name, PORT), Talker())
                connecting.addCallbacks(
                    lambda _: made.append(self.world.now_ns / SECOND),
                    lambda failure: self.failures.append(type(failure.value).__name__),
                )

        self.program(self.near, begin)
        return made

    def test_a_name_that_is_late(self) -> None:
        self.serve()
        self.world.names.late_ns["far"] = 3 * SECOND
        made = self.look_up(1)
        self.world.run(10 * SECOND)
        self.assertLess(abs(made[0] - 3), 0.1)

    def test_a_name_of_which_nobody_says_anything(self) -> None:
        self.world.names.silent.add("far")
        self.look_up(1)
        self.world.run(29 * SECOND)
        self.assertEqual(self.failures, [])
        self.world.run(3 * SECOND)
        self.assertEqual(self.failures, ["DNSLookupError"])

    def test_a_name_that_leads_elsewhere(self) -> None:
        self.serve()
        self.world.names.elsewhere["far"] = "near"
        self.look_up(1)
        self.world.run(SECOND)
        self.assertEqual(self.failures, ["ConnectionRefusedError"])
        self.world.names.heal()
        self.near.kill()
        made = self.look_up(1)
        self.world.run(SECOND)
        self.assertEqual(len(made), 1)

    def test_ten_lookups_that_hang_are_all_that_there_are(self) -> None:
        """Twisted's resolver has ten threads, and all names share them."""
        self.serve()
        self.world.names.silent.add("nowhere")
        self.look_up(9, "nowhere")
        process = self.near.process
        assert process is not None
        made: list[float] = []

        def one_more(name: str) -> None:
            connecting = connectProtocol(HostnameEndpoint(process.reactor, name, PORT), Talker())
            connecting.addCallbacks(lambda _: made.append(self.world.now_ns / SECOND), lambda _: None)

        process.run(lambda: one_more("far"))
        self.world.run(SECOND)
        self.assertEqual(len(made), 1, "there is a tenth thread")
        process.run(lambda: one_more("nowhere"))
        process.run(lambda: one_more("far"))
        self.world.run(20 * SECOND)
        self.assertEqual(len(made), 1, "and no eleventh")


class PoolTests(WorldTestCase):
    def stop_with_a_thread_at_work(self, abandon: bool) -> int:
        """How long it takes to end, in milliseconds, where a thread needs five seconds."""

        def begin(process: Process) -> None:
            pool = process.pool()
            pool.start()
            deferToThreadPool(process.reactor, pool, lambda: process.block(5 * SECOND))  # type: ignore[arg-type]

            def stop() -> None:
                if abandon:
                    pool.threads.clear()
                pool.stop()

            process.reactor.addSystemEventTrigger("during", "shutdown", stop)

        process = self.program(self.near, begin)
        self.world.run(SECOND)
        process.terminate()
        self.world.run(60 * SECOND, lambda: not process.alive)
        self.assertEqual(process.exit_status, 0)
        return (self.world.now_ns - SECOND) // MS

    def test_a_pool_is_joined(self) -> None:
        self.assertLess(abs(self.stop_with_a_thread_at_work(abandon=False) - 4000), 10)

    def test_one_whose_threads_were_let_go_is_not(self) -> None:
        self.assertLess(self.stop_with_a_thread_at_work(abandon=True), 10)


class DiskTests(WorldTestCase):
    def errors(self, work: Any) -> list[int | None]:
        """What the steps of some work on the near machine's disk fail with."""
        seen: list[int | None] = []

        def steps(mount: Mount) -> None:
            for step in work(mount):
                try:
                    step()
                except OSError as error:
                    seen.append(error.errno)
                else:
                    seen.append(None)

        def begin(process: Process) -> None:
            pool = process.pool()
            pool.start()
            mount = process.machine.disk.mount(process)
            deferToThreadPool(process.reactor, pool, steps, mount)  # type: ignore[arg-type]

        self.near.kill()
        self.program(self.near, begin)
        self.world.run(10 * SECOND)
        return seen

    @staticmethod
    def work(mount: Mount) -> Any:
        yield lambda: mount.create("value").write(b"1")
        yield lambda: mount.open("value").read(1)
        yield lambda: mount.open("value").write_at(b"2", 0)
        yield lambda: mount.replace("value", "value")

    def test_all_is_well(self) -> None:
        self.assertEqual(self.errors(self.work), [None] * 4)
        self.assertIsNone(self.near.disk.refused)

    def test_reads_that_fail(self) -> None:
        self.near.disk.fails_to.add("read")
        self.assertEqual(self.errors(self.work), [None, errno.EIO, None, None])
        self.assertIs(self.near.disk.refused, self.near.process)

    def test_writes_that_fail(self) -> None:
        self.near.disk.fails_to.add("write")
        self.assertEqual(self.errors(self.work), [errno.EIO, None, errno.EIO, None])

    def test_nothing_may_change(self) -> None:
        self.errors(self.work)
        self.near.disk.is_read_only = True
        self.assertEqual(self.errors(self.work), [errno.EROFS, None, errno.EROFS, errno.EROFS])
        self.near.disk.calm()
        self.assertEqual(self.errors(self.work), [None] * 4)
