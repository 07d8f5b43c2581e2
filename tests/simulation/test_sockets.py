"""TCP as Linux has it, seen from Twisted's transports."""

from glitchgrid.simulation.connection import SEND_BUFFER_BYTES
from tests.simulation.stage import MS, SECOND, HalfTalker, WorldTestCase


class ConnectTests(WorldTestCase):
    def test_both_ends_know_each_other(self) -> None:
        near, far = self.connected()
        self.assertEqual(near.transport.getPeer(), far.transport.getHost())
        self.assertEqual(near.transport.getHost(), far.transport.getPeer())
        self.assertEqual(near.transport.getPeer().host, self.far.address)

    def test_nobody_listens(self) -> None:
        self.program(self.far)
        self.connect()
        self.world.run(SECOND)
        self.assertEqual(self.failures, ["ConnectionRefusedError"])

    def test_nothing_runs_there(self) -> None:
        self.connect()
        self.world.run(SECOND)
        self.assertEqual(self.failures, ["ConnectionRefusedError"])

    def test_a_machine_without_power_says_nothing(self) -> None:
        self.far.cut_power()
        self.connect(timeout_s=10)
        self.world.run(9 * SECOND)
        self.assertEqual(self.failures, [])
        self.world.run(2 * SECOND)
        self.assertEqual(self.failures, ["TimeoutError"])

    def test_behind_a_cut_it_is_tried_again(self) -> None:
        for source, target in (("near", "far"), ("far", "near")):
            with self.subTest(source):
                self.world.network.cut(source, target)
                if self.far.process is None:
                    self.serve()
                talker = self.connect()
                self.world.run(2 * SECOND)
                self.assertFalse(talker.is_connected)
                self.world.network.mend(source, target)
                self.world.run(10 * SECOND)
                self.assertTrue(talker.is_connected)

    def test_a_slow_link_makes_no_second_connection(self) -> None:
        self.serve()
        self.world.network.link("near", "far").latency_ns = 3 * SECOND
        self.connect()
        self.world.run(25 * SECOND)
        self.assertEqual(len(self.servers), 1)

    def test_an_address_that_nobody_has(self) -> None:
        self.far.address = "10.9.9.9"
        talker = self.connect()
        self.far.address = "10.0.0.2"
        self.world.run(SECOND)
        self.assertFalse(talker.is_connected)
        self.assertEqual(len(self.failures), 1)

    def test_a_full_backlog_takes_no_more(self) -> None:
        process = self.serve(backlog=1)
        self.world.run(SECOND)
        process.pause()
        talkers = [self.connect() for _ in range(4)]
        self.world.run(500 * MS)
        self.assertEqual(sum(talker.is_connected for talker in talkers), 2)
        process.resume()
        self.world.run(10 * SECOND)
        self.assertTrue(all(talker.is_connected for talker in talkers))

    def test_a_port_that_is_taken(self) -> None:
        process = self.serve()
        self.world.run(SECOND)
        problems: list[BaseException] = []

        def listen() -> None:
            try:
                process.reactor.listenTCP(7, None)
            except Exception as error:  # noqa: BLE001 - to be looked at
                problems.append(error)

        process.run(listen)
        self.assertIn("Address already in use", str(problems[0]))


class DataTests(WorldTestCase):
    def test_it_arrives_in_order_both_ways(self) -> None:
        near, far = self.connected()
        for number in range(50):
            self.say(near, b"%d," % number)
            self.say(far, b"%d;" % number)
        self.world.run(SECOND)
        self.assertEqual(far.heard, b"".join(b"%d," % number for number in range(50)))
        self.assertEqual(near.heard, b"".join(b"%d;" % number for number in range(50)))

    def test_in_pieces_of_any_size_if_so_wanted(self) -> None:
        self.near.cuts_segments = True
        near, far = self.connected()
        data = bytes(range(256)) * 40
        self.say(near, data)
        self.world.run(10 * SECOND)
        self.assertEqual(far.heard, data)
        self.assertGreater(sum("received" in line for line in self.world.trace.lines), 5)

    def test_it_takes_time(self) -> None:
        near, far = self.connected()
        self.world.network.link("near", "far").latency_ns = 400 * MS
        self.say(near, b"x")
        self.world.run(199 * MS)
        self.assertEqual(far.heard, b"")
        self.world.run(60 * SECOND)
        self.assertEqual(far.heard, b"x")

    def test_a_reader_that_does_not_read_stops_the_writer(self) -> None:
        near, far = self.connected()
        self.act(far, far.transport.pauseProducing)
        data = b"x" * (3 * SEND_BUFFER_BYTES)
        self.say(near, data)
        self.world.run(SECOND)
        self.assertEqual(far.heard, b"")
        self.assertGreaterEqual(len(near.transport.dataBuffer), 2 * SEND_BUFFER_BYTES - len(b""))
        self.act(far, far.transport.resumeProducing)
        self.world.run(60 * SECOND)
        self.assertEqual(far.heard, data)

    def test_behind_a_cut_it_waits(self) -> None:
        near, far = self.connected()
        self.world.network.cut("near", "far")
        self.say(near, b"1")
        self.say(far, b"the other way is open")
        self.world.run(5 * SECOND)
        self.assertEqual((far.heard, near.heard), (b"", b"the other way is open"))
        self.world.network.mend("near", "far")
        self.say(near, b"2")
        self.world.run(20 * SECOND)
        self.assertEqual(far.heard, b"12")

    def test_what_is_held_comes_in_order_when_it_is_released(self) -> None:
        near, far = self.connected()
        self.world.network.hold("near", "far")
        self.say(near, b"1")
        self.world.run(SECOND)
        self.say(near, b"2")
        self.world.run(5 * SECOND)
        self.assertEqual(far.heard, b"")
        self.world.network.release("near", "far")
        self.world.run(SECOND)
        self.assertEqual(far.heard, b"12")

    def test_what_is_lost_is_late(self) -> None:
        near, far = self.connected()
        self.world.network.link("near", "far").loss_per_mille = 999
        self.say(near, b"1")
        self.world.run(200 * MS)
        self.assertEqual(far.heard, b"")


class EndTests(WorldTestCase):
    def test_a_close_behind_the_data(self) -> None:
        near, far = self.connected()
        self.act(near, lambda: (near.transport.write(b"last words"), near.transport.loseConnection()))
        self.world.run(SECOND)
        self.assertEqual((far.heard, far.ended, near.ended), (b"last words", "ConnectionDone", "ConnectionDone"))

    def test_an_abort_is_a_reset(self) -> None:
        near, far = self.connected()
        self.act(near, near.transport.abortConnection)
        self.world.run(SECOND)
        self.assertEqual((near.ended, far.ended), ("ConnectionAborted", "ConnectionLost"))

    def test_half_a_close(self) -> None:
        near, far = self.connected(near=HalfTalker, far=HalfTalker)
        self.act(near, lambda: (near.transport.write(b"that is all"), near.transport.loseWriteConnection()))
        self.world.run(SECOND)
        assert isinstance(far, HalfTalker)
        self.assertEqual((far.heard, far.read_ended, far.ended), (b"that is all", True, None))
        self.say(far, b"and this is the answer")
        self.world.run(SECOND)
        self.assertEqual((near.heard, near.ended), (b"and this is the answer", None))

    def test_kill_closes(self) -> None:
        near, _ = self.connected()
        self.far.kill()
        self.world.run(SECOND)
        self.assertEqual(near.ended, "ConnectionDone")

    def test_kill_with_unread_data_resets(self) -> None:
        near, far = self.connected()
        process = self.far.process
        assert process is not None
        process.pause()
        self.say(near, b"nobody reads this")
        self.world.run(SECOND)
        self.far.kill()
        self.world.run(SECOND)
        self.assertEqual(near.ended, "ConnectionLost")
        self.assertEqual(far.heard, b"")

    def test_a_power_loss_leaves_the_other_end_open_until_it_asks(self) -> None:
        near, _ = self.connected()
        self.far.cut_power()
        self.world.run(60 * SECOND)
        self.assertIsNone(near.ended)
        self.program(self.far)
        self.say(near, b"are you there?")
        self.world.run(SECOND)
        self.assertEqual(near.ended, "ConnectionLost")

    def test_a_reset_of_the_network(self) -> None:
        near, far = self.connected()
        process = self.near.process
        assert process is not None
        process.break_connections(self.far)
        self.world.run(SECOND)
        self.assertEqual((near.ended, far.ended), ("ConnectionLost", "ConnectionLost"))

    def test_nothing_is_heard_from_behind_an_end(self) -> None:
        near, far = self.connected()
        self.act(near, near.transport.abortConnection)
        self.say(far, b"too late")
        self.world.run(SECOND)
        self.assertEqual(near.heard, b"")

    def test_a_client_that_gives_up_while_it_connects(self) -> None:
        self.serve()
        self.world.network.link("near", "far").latency_ns = 2 * SECOND
        self.connect(timeout_s=0.5)
        self.world.run(60 * SECOND)
        self.assertEqual(self.failures, ["TimeoutError"])
        self.assertTrue(all(server.ended is not None for server in self.servers))
        self.assertIsInstance(self.servers, list)


class ManyTests(WorldTestCase):
    def test_a_hundred_connections_are_told_apart(self) -> None:
        self.serve()
        talkers = [self.connect() for _ in range(100)]
        self.world.run(5 * SECOND)
        for number, talker in enumerate(talkers):
            self.say(talker, b"%d" % number)
        self.world.run(5 * SECOND)
        self.assertEqual({server.heard for server in self.servers}, {b"%d" % number for number in range(100)})

    def test_a_closed_socket_is_forgotten(self) -> None:
        near, _ = self.connected()
        for machine in (self.near, self.far):
            assert machine.process is not None
        before = [len(machine.process.sockets) for machine in (self.near, self.far) if machine.process]
        self.act(near, near.transport.loseConnection)
        self.world.run(SECOND)
        after = [len(machine.process.sockets) for machine in (self.near, self.far) if machine.process]
        self.assertEqual(after, [count - 1 for count in before])
