"""The two plugins' options: the good ones, and each bad one with its one line."""

import resource
from typing import Any
from unittest.mock import patch

from twisted.application.service import IServiceMaker
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid import control_tap, tap, vault_tap
from glitchgrid.control import control_service
from glitchgrid.http.service import FaceService
from glitchgrid.process import ServerProcess
from glitchgrid.register import DEFAULT_PROTOCOL
from glitchgrid.tap import ServerOptions, reaches_others, with_backlog
from glitchgrid.tls.ends import Ends
from glitchgrid.vault import vault_service
from glitchgrid.vaults.address import VaultAddress
from tests.fakes import CaughtLog, FakeReactor

VAULT = ["--data-dir", "/data"]
CONTROL = ["--vaults", "127.0.0.1:8001"]


class OptionsTestCase(SynchronousTestCase):
    def vault(self, *arguments: str) -> vault_tap.Options:
        options = vault_tap.Options()
        options.parseOptions([*arguments])
        return options

    def control(self, *arguments: str) -> control_tap.Options:
        options = control_tap.Options()
        options.parseOptions([*arguments])
        return options

    def refusal(self, options: ServerOptions, *arguments: str) -> str:
        """The one line with which bad options end the process."""
        line = self.assertRaises(SystemExit, options.parseOptions, [*arguments]).code
        assert isinstance(line, str)
        self.assertTrue(line.startswith(f"twistd {options.program}: "), line)
        self.assertNotIn("\n", line)
        return line

    def assert_server(self, service: Any) -> None:
        """The process first, then what watches its certificates, and the server."""
        process, ends, server = service
        self.assertIsInstance(process, ServerProcess)
        self.assertIsInstance(ends, Ends)
        self.assertIsInstance(server, FaceService)
        self.assertFalse(server.listens_first)

    def bad_vault(self, *arguments: str) -> str:
        return self.refusal(vault_tap.Options(), *arguments)

    def bad_control(self, *arguments: str) -> str:
        return self.refusal(control_tap.Options(), *arguments)


class ListenTests(OptionsTestCase):
    def test_the_ports_of_the_originals(self) -> None:
        self.assertEqual(self.vault(*VAULT)["listen"], "tcp:8001")
        self.assertEqual(self.control(*CONTROL)["listen"], "tcp:8000")

    def test_a_port_is_every_interface(self) -> None:
        for port in ("0", "1", "9000", "65535"):
            options = self.vault(*VAULT, "--port", port)
            endpoint = options.endpoint
            assert isinstance(endpoint, TCP4ServerEndpoint)
            self.assertEqual((endpoint._port, endpoint._interface), (int(port), ""))
            self.assertEqual(options["listen"], f"tcp:{port}")

    def test_an_endpoint(self) -> None:
        endpoint = self.control(*CONTROL, "--listen", "tcp:9000:interface=127.0.0.1").endpoint
        assert isinstance(endpoint, TCP4ServerEndpoint)
        self.assertEqual((endpoint._port, endpoint._interface), (9000, "127.0.0.1"))

    def test_an_ipv6_endpoint(self) -> None:
        for text in (r"tcp6:9000:interface=\:\:1", r"tcp:9000:interface=\:\:1"):
            endpoint = self.vault(*VAULT, "--listen", text).endpoint
            assert isinstance(endpoint, TCP4ServerEndpoint | TCP6ServerEndpoint)
            self.assertEqual((endpoint._port, endpoint._interface), (9000, "::1"))

    def test_short_options(self) -> None:
        self.assertEqual(self.vault("-d", "/data", "-p", "9")["listen"], "tcp:9")
        self.assertEqual(self.control("-v", "a:1", "-l", "unix:/s")["listen"], "unix:/s")

    def test_bad_ports_are_named(self) -> None:
        for port in (
            "65536",
            "-1",
            "x",
            "",
            "80 ",
            "8_000",
            "+80",
            "1e3",
            "nan",
            "inf",
            "99999999999",
            "\N{ARABIC-INDIC DIGIT EIGHT}",
        ):
            line = self.bad_vault(*VAULT, "--port", port)
            self.assertIn(f"--port {port!r}", line)

    def test_half_a_port_is_no_port(self) -> None:
        for port in ("8001.5", "80.0"):
            self.assertIn(f"--port {port!r}", self.bad_control(*CONTROL, "--port", port))

    def test_bad_endpoints_are_named(self) -> None:
        for endpoint in (
            "",
            "tcp",
            "tcp:",
            "tcp:x",
            "nonsense:1",
            "8000",
            "tcp:8000:colour=blue",
            "ssl:1:privateKey=/no",
        ):
            line = self.bad_control(*CONTROL, "--listen", endpoint)
            self.assertIn(f"bad endpoint {endpoint!r}: ", line)

    def test_port_and_listen_exclude_each_other(self) -> None:
        line = self.bad_vault(*VAULT, "--port", "1", "--listen", "tcp:1")
        self.assertIn("--port and --listen exclude each other", line)


class CommonTests(OptionsTestCase):
    def test_unknown_options_are_named(self) -> None:
        self.assertIn("--colour", self.bad_vault(*VAULT, "--colour"))
        self.assertIn("--colour", self.bad_control(*CONTROL, "--colour", "blue"))

    def test_arguments_are_refused(self) -> None:
        self.assertIn("unexpected argument 'extra'", self.bad_vault(*VAULT, "extra"))
        self.assertIn("unexpected argument 'extra'", self.bad_control(*CONTROL, "extra"))

    def test_reports(self) -> None:
        self.assertEqual(self.vault(*VAULT).report_every_s, 0)
        self.assertEqual(self.control(*CONTROL, "--report-every", "3600").report_every_s, 3600)
        for text in ("-1", "3601", "x", ""):
            self.assertIn(f"--report-every {text!r}", self.bad_vault(*VAULT, "--report-every", text))

    def test_logs(self) -> None:
        chosen = self.vault(*VAULT).log
        assert chosen is not None
        self.assertEqual((chosen.form, chosen.level), ("text", "info"))
        chosen = self.control(*CONTROL, "--log-format", "json", "--log-level", "warn").log
        assert chosen is not None
        self.assertEqual((chosen.form, chosen.level), ("json", "warn"))
        for name, text in (("format", "xml"), ("format", ""), ("level", "loud"), ("level", "INFO")):
            self.assertIn(
                f"bad --log-{name} {text!r}: it must be one of", self.bad_vault(*VAULT, f"--log-{name}", text)
            )

    def test_endpoints_that_others_reach(self) -> None:
        for endpoint in (
            "tcp:8000",
            "tcp6:8000",
            "tcp:8000:interface=0.0.0.0",
            "tcp:8000:interface=10.0.0.1",
            "systemd:domain=INET:index=0",
        ):
            self.assertTrue(reaches_others(endpoint), endpoint)
        for endpoint in (
            "tcp:8000:interface=127.0.0.1", "tcp:interface=127.0.1.2:port=1", "tcp:8000:interface=localhost",
            r"tcp6:8000:interface=\:\:1", "unix:/run/grid.sock",
        ):  # fmt: skip
            self.assertFalse(reaches_others(endpoint), endpoint)

    def test_a_server_that_others_reach_without_tokens_says_so_once(self) -> None:
        self.patch(tap, "_reactor", FakeReactor())
        self.patch(resource, "setrlimit", lambda *args: None)
        for arguments, lines in ((VAULT, 1), ([*VAULT, "--listen=tcp:8001:interface=127.0.0.1"], 0)):
            log = CaughtLog(self)
            service: Any = vault_tap.makeService(self.vault(*arguments))
            _process, _ends, server = service
            server.started.callback(None)
            self.assertEqual(len(log.warnings), lines)
            self.assertTrue(all("--token-file" in line and "--tls-client-ca" in line for line in log.warnings))

    def under_twistd(self, **twistd: Any) -> vault_tap.Options:
        options = vault_tap.Options()
        parent: Any = {"nodaemon": 1, "logfile": None} | twistd
        options.parent = parent
        return options

    def test_what_twistd_was_told_of_logs_itself(self) -> None:
        for own in ("logger", "syslog"):
            options = self.under_twistd(**{own: "x"})
            self.assertIn(
                f"--log-level can't go with twistd's --{own}", self.refusal(options, *VAULT, "--log-level=warn")
            )
            options = self.under_twistd(**{own: "x"})
            options.parseOptions(VAULT)
            self.assertIsNone(options.log)
        self.assertIn("no standard output", self.refusal(self.under_twistd(nodaemon=0, logfile="-"), *VAULT))
        options = self.under_twistd(nodaemon=0, logfile="/log")
        options.parseOptions(VAULT)
        assert options.log is not None
        self.assertEqual((options.log.path, options.log.is_in_foreground), ("/log", False))

    def test_help_names_every_option(self) -> None:
        for options, names in (
            (vault_tap.Options(), ("--listen", "--port", "--data-dir", "--log-format", "--log-level", "--access-log")),
            (control_tap.Options(), ("--listen", "--port", "--vaults", "--protocol", "--vault-timeout", "--value-max")),
            (control_tap.Options(), ("--listed-as",)),
            (vault_tap.Options(), ("--peers", "--accept-loss", "--allow-unlisted")),
        ):
            text = str(options)
            for name in names:
                self.assertIn(name, text)


class VaultTests(OptionsTestCase):
    def test_the_data_directory_is_needed(self) -> None:
        for arguments in ((), ("--data-dir", "")):
            self.assertIn("--data-dir is missing", self.bad_vault(*arguments))

    def test_a_list_of_peers_that_is_none(self) -> None:
        for peers in ("", "a:8001,a:8001", "a:0"):
            self.assertIn("bad --peers: ", self.bad_vault("--data-dir", "d", "--peers", peers))

    def test_what_is_for_peers_alone(self) -> None:
        for option in ("accept-loss", "vault-token-file", "vault-ca", "client-cert", "client-key"):
            said = self.bad_vault("--data-dir", "d", f"--{option}", "x")
            self.assertIn(f"--{option} is for a vault with --peers", said)
        said = self.bad_vault("--data-dir", "d", "--allow-unlisted")
        self.assertIn("--allow-unlisted is for a vault with --peers", said)

    def test_its_service(self) -> None:
        self.patch(tap, "_reactor", FakeReactor())
        self.patch(resource, "setrlimit", lambda *args: None)
        self.assert_server(vault_tap.makeService(self.vault(*VAULT)))

    def test_a_new_vault_has_a_name_of_its_own(self) -> None:
        given: list[Any] = []
        self.patch(tap, "_reactor", FakeReactor())
        self.patch(resource, "setrlimit", lambda *args: None)

        def service(*arguments: Any, **options: Any) -> Any:
            given.extend(arguments)
            self.assertEqual(list(options), ["doors", "peers"])
            return vault_service(*arguments, **options)

        self.patch(vault_tap, "vault_service", service)
        vault_tap.makeService(self.vault(*VAULT))
        new_identity = given[5]
        self.assertRegex(new_identity(), "^[0-9a-f]{32}$")
        self.assertNotEqual(new_identity(), new_identity())


class ControlTests(OptionsTestCase):
    def test_vaults(self) -> None:
        options = self.control("--vaults", "a:1, 10.0.0.1:2,[::1]:3")
        self.assertEqual(
            options.vaults,
            (VaultAddress("a", 1), VaultAddress("10.0.0.1", 2), VaultAddress("::1", 3)),
        )

    def test_vaults_are_needed(self) -> None:
        self.assertIn("--vaults is missing", self.bad_control())

    def test_bad_vaults_are_named(self) -> None:
        for text, named in (
            ("", "empty"),
            ("a", "'a'"),
            ("a:1,b:0", "'b:0'"),
            ("a:1,,b:1", "''"),
            ("a:1,b:1,a:1", "a:1 is listed twice"),
            ("localhost:1,127.0.0.1:1", "127.0.0.1:1 is listed twice"),
            ("3", "'3'"),
        ):
            self.assertIn(named, self.bad_control("--vaults", text))

    def test_how_the_vaults_list_themselves(self) -> None:
        self.assertEqual(self.control(*CONTROL).listed, ())
        listed = self.control(*CONTROL, "--listed-as", "vault1:8001").listed
        self.assertEqual(listed, (VaultAddress("vault1", 8001),))
        for text, named in (
            ("", "the list of vaults is empty"),
            ("a", "'a'"),
            ("a:1,a:1", "a:1 is listed twice"),
            ("a:1,b:1", "it has 2 addresses, and --vaults 1"),
        ):
            line = self.bad_control(*CONTROL, "--listed-as", text)
            self.assertIn("bad --listed-as: ", line)
            self.assertIn(named, line)

    def test_protocols(self) -> None:
        self.assertEqual(self.control(*CONTROL)["protocol"], DEFAULT_PROTOCOL)
        self.assertEqual(self.control(*CONTROL, "--protocol", "classic")["protocol"], "classic")
        for text in ("paxos", "", "Classic"):
            self.assertIn(f"--protocol {text!r}", self.bad_control(*CONTROL, "--protocol", text))

    def test_the_time_that_a_vault_has(self) -> None:
        self.assertEqual(self.control(*CONTROL).vault_timeout_s, 1.0)
        for text, seconds in (("4", 4.0), ("0.25", 0.25), ("0.001", 0.001)):
            self.assertEqual(self.control(*CONTROL, "--vault-timeout", text).vault_timeout_s, seconds)
        for text in ("0", "-1", "4.001", "5", "nan", "inf", "x", "", "1_0", "0.0001"):
            self.assertIn(f"--vault-timeout {text!r}", self.bad_control(*CONTROL, "--vault-timeout", text))

    def test_the_protocol_is_the_atomic_one_where_none_is_named(self) -> None:
        self.assertEqual(self.control(*CONTROL)["protocol"], "atomic")
        self.assertEqual(self.control(*CONTROL, "--protocol", "atomic")["protocol"], "atomic")

    def test_the_largest_value(self) -> None:
        self.assertEqual(self.control(*CONTROL).value_max, 2**63 - 1)
        for text, value in (("1", 1), ("1000", 1000), ("0007", 7), ("9223372036854775807", 2**63 - 1)):
            self.assertEqual(self.control(*CONTROL, "--value-max", text).value_max, value)
        for text in ("0", "-1", "9223372036854775808", "10000000000000000000", "x", "", "1.5", "1_0", "+5", "1e3"):
            line = self.bad_control(*CONTROL, "--value-max", text)
            self.assertIn(f"--value-max {text!r}: it must be a whole number from 1 to 9223372036854775807", line)

    def test_what_was_asked_for_reaches_the_service(self) -> None:
        given: list[Any] = []
        self.patch(tap, "_reactor", FakeReactor())
        self.patch(resource, "setrlimit", lambda *args: None)

        def service(*arguments: Any, **options: Any) -> FaceService:
            given.extend(arguments)
            self.assertEqual((options["vault_token"], options["vault_tls"], options["listed"]), (None, None, ()))
            doors = options["doors"]
            self.assertEqual((doors.access_log, doors.access, doors.health_at), (True, None, None))
            return control_service(*arguments, **options)

        self.patch(control_tap, "control_service", service)
        arguments = ["--protocol", "classic", "--vault-timeout", "0.5", "--value-max", "99", "--report-every", "7"]
        arguments.append("--access-log")
        control_tap.makeService(self.control(*CONTROL, *arguments))
        self.assertEqual(given[2:6], ["tcp:8000", (VaultAddress("127.0.0.1", 8001),), "classic", 0.5])
        self.assertEqual(given[7:9], [7, 99])
        (ready,) = given[9:]
        with patch.object(control_tap, "setup_complete") as said:
            ready()
        said.assert_called_once_with({"protocol": "classic", "vaults": 1})

    def test_its_service(self) -> None:
        self.patch(tap, "_reactor", FakeReactor())
        self.patch(resource, "setrlimit", lambda *args: None)
        self.assert_server(control_tap.makeService(self.control(*CONTROL)))


class PluginTests(SynchronousTestCase):
    def test_twistd_finds_both(self) -> None:
        makers = {maker.tapname: maker for maker in getPlugins(IServiceMaker)}
        self.assertIs(makers["vault"].options, vault_tap.Options)
        self.assertIs(makers["control"].options, control_tap.Options)
        self.assertIs(makers["vault"].makeService, vault_tap.makeService)
        self.assertIs(makers["control"].makeService, control_tap.makeService)


class BacklogTests(SynchronousTestCase):
    def test_an_endpoint_that_can_take_one_gets_one(self) -> None:
        for endpoint in ("tcp:8000", "tcp6:8000:interface=\\:\\:1", "unix:/run/grid", "haproxy:tcp:8000", "ssl:443"):
            self.assertEqual(with_backlog(endpoint), endpoint + ":backlog=1024")

    def test_others_stay_as_they_are(self) -> None:
        for endpoint in ("tcp:8000:backlog=5", "tcp:backlog=5:port=8000", "systemd:domain=INET:index=0", "", "tcp"):
            self.assertEqual(with_backlog(endpoint), endpoint)
