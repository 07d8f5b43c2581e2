import threading

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.storage.pool import Pulse, abandon, store_pool
from tests.fakes import FakeReactor


class PoolTests(SynchronousTestCase):
    def test_one_thread_that_does_not_keep_the_process(self) -> None:
        pool = store_pool()
        self.assertEqual((pool.min, pool.max), (1, 1))
        pool.start()
        self.addCleanup(abandon, pool)
        done = threading.Event()
        threads: list[threading.Thread] = []
        for _ in range(3):
            pool.callInThread(lambda: threads.append(threading.current_thread()))
        pool.callInThread(done.set)
        self.assertTrue(done.wait(30))
        self.assertEqual(len(set(threads)), 1)
        self.assertTrue(threads[0].daemon)

    def test_one_that_hangs_is_not_waited_for(self) -> None:
        pool = store_pool()
        pool.start()
        begun, end = threading.Event(), threading.Event()
        self.addCleanup(end.set)

        def hang() -> None:
            begun.set()
            end.wait(30)

        pool.callInThread(hang)
        self.assertTrue(begun.wait(30))
        abandon(pool)
        self.assertFalse(end.is_set(), "it has come back while the thread still hangs")

    def test_its_pulse(self) -> None:
        reactor, pool = FakeReactor(), store_pool()
        pool.start()
        self.addCleanup(abandon, pool)
        end, done = threading.Event(), threading.Event()
        self.addCleanup(end.set)
        pulse = Pulse(reactor, pool)
        pool.callInThread(end.wait, 30)
        self.assertEqual(pulse.silent_s(), 0)
        reactor.advance(5)
        self.assertEqual(pulse.silent_s(), 5)
        end.set()
        pool.callInThread(done.set)
        self.assertTrue(done.wait(30))
        reactor.take_over()
        self.assertEqual(pulse.silent_s(), 0)
