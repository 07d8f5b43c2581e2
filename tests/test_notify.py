"""What a service manager is told, over a real socket."""

import os
import shutil
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.notify import ALIVE, READY, Notifier


class NotifierTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.path = os.path.join(directory, "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(5)

    def test_it_is_told(self) -> None:
        self.manager.bind(self.path)
        notifier = Notifier({"NOTIFY_SOCKET": self.path}, 1)
        notifier.tell(READY)
        notifier.tell(ALIVE)
        self.assertEqual([self.manager.recv(100), self.manager.recv(100)], [b"READY=1", b"WATCHDOG=1"])

    def test_an_abstract_address(self) -> None:
        name = f"glitchgrid-{os.getpid()}"
        self.manager.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}, 1).tell(READY)
        self.assertEqual(self.manager.recv(100), b"READY=1")

    def test_nobody_who_wants_to_know(self) -> None:
        for address in ("", "vsock:2:1234", self.path, "/" + "x" * 500):
            notifier = Notifier({"NOTIFY_SOCKET": address}, 1)
            notifier.tell(READY)
            self.assertEqual(notifier.is_there, address[:1] == "/")

    def test_the_watchdog(self) -> None:
        there = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000"}
        self.assertEqual(Notifier(there, 7).alive_every_s, 15)
        self.assertEqual(Notifier({**there, "WATCHDOG_PID": "7"}, 7).alive_every_s, 15)
        self.assertEqual(Notifier({**there, "WATCHDOG_PID": "8"}, 7).alive_every_s, 0)
        self.assertEqual(Notifier({**there, "WATCHDOG_USEC": "often"}, 7).alive_every_s, 0)
        self.assertEqual(Notifier({"WATCHDOG_USEC": "30000000"}, 7).alive_every_s, 0)
