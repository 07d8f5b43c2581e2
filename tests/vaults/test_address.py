from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import BadAddress
from glitchgrid.vaults.address import VAULTS_MAX, VaultAddress, parse_vaults

GOOD = {
    "127.0.0.1:8001": ("127.0.0.1", 8001),
    "vault:1": ("vault", 1),
    "Vault-1.example.com:65535": ("Vault-1.example.com", 65535),
    "vault.:8001": ("vault.", 8001),
    "1a:80": ("1a", 80),
    "my_vault_1:8001": ("my_vault_1", 8001),
    "_a_:80": ("_a_", 80),
    "1.2.3.4.example:80": ("1.2.3.4.example", 80),
    "xn--bcher-kva.example:80": ("xn--bcher-kva.example", 80),
    "[::1]:8001": ("::1", 8001),
    "[2001:DB8::1]:8001": ("2001:DB8::1", 8001),
    "[::ffff:10.0.0.1]:8001": ("::ffff:10.0.0.1", 8001),
    "a" * 63 + ":80": ("a" * 63, 80),
}

BAD = [
    "",
    ":",
    ":8001",
    "vault",
    "vault:",
    "vault:0",
    "vault:65536",
    "vault:-1",
    "vault:+80",
    "vault:8_0",
    "vault:80 ",
    "vault: 80",
    "vault:8O",
    "vault:\N{ARABIC-INDIC DIGIT EIGHT}0",
    "vault:80:80",
    "vault:008001",
    "http://vault:80",
    "vault/:80",
    "user@vault:80",
    "vault 1:80",
    "vault\n:80",
    "-vault:80",
    "vault-:80",
    ".vault:80",
    "vault..:80",
    "va..ult:80",
    "a" * 64 + ":80",
    ".".join(["a" * 63] * 4) + ":80",
    "1.2.3:80",
    "1.2.3.4.5:80",
    "256.1.1.1:80",
    "01.2.3.4:80",
    "12345:80",
    "::1:80",
    "[::1]",
    "[::1]:",
    "[::1:80",
    "::1]:80",
    "[]:80",
    "[vault]:80",
    "[127.0.0.1]:80",
    "[::g]:80",
    "[fe80::1%eth0]:80",
    "fe80::1%eth0:80",
    "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher:80",
]


class ParseTests(SynchronousTestCase):
    def test_good_ones(self) -> None:
        for text, expected in GOOD.items():
            self.assertEqual(VaultAddress.parse(text), VaultAddress(*expected))

    def test_bad_ones_are_named_in_one_line(self) -> None:
        for text in BAD:
            message = str(self.assertRaises(BadAddress, VaultAddress.parse, text))
            self.assertIn(repr(text), message)
            self.assertNotIn("\n", message)

    def test_what_is_printed_is_read_back(self) -> None:
        for text in GOOD:
            address = VaultAddress.parse(text)
            self.assertEqual(VaultAddress.parse(str(address)), address)

    @given(st.text(max_size=30))
    def test_any_other_text_is_refused_and_never_a_bug(self, text: str) -> None:
        try:
            address = VaultAddress.parse(text)
        except BadAddress:
            return
        self.assertEqual(VaultAddress.parse(str(address)), address)

    def test_which_are_ip_literals(self) -> None:
        for text, is_literal in (("127.0.0.1:1", True), ("[::1]:1", True), ("vault:1", False), ("localhost:1", False)):
            self.assertEqual(VaultAddress.parse(text).is_ip_literal, is_literal)


class ListTests(SynchronousTestCase):
    def refusal(self, text: str) -> str:
        return str(self.assertRaises(BadAddress, parse_vaults, text))

    def test_a_list_in_order(self) -> None:
        vaults = parse_vaults("b:1, a:2 ,[::1]:3")
        self.assertEqual([str(vault) for vault in vaults], ["b:1", "a:2", "[::1]:3"])

    def test_an_empty_one(self) -> None:
        for text in ("", " ", "\t"):
            self.assertIn("empty", self.refusal(text))

    def test_an_empty_place_in_it(self) -> None:
        for text in (",", "a:1,", ",a:1", "a:1,,b:1"):
            self.assertIn("''", self.refusal(text))

    def test_a_bad_address_is_named(self) -> None:
        self.assertIn("'b:x'", self.refusal("a:1,b:x,c:1"))

    def test_a_vault_listed_twice_is_named(self) -> None:
        self.assertIn("vault a:1 is listed twice:", self.refusal("a:1,b:1,a:1"))

    def test_two_spellings_of_one_address(self) -> None:
        for first, second in (
            ("vault:1", "VAULT:1"),
            ("vault:1", "vault.:1"),
            ("vault:1", "vault:01"),
            ("localhost:1", "127.0.0.1:1"),
            ("localhost:1", "LOCALHOST.:1"),
            ("ip6-localhost:1", "localhost:1"),
            ("[::1]:1", "[0:0:0:0:0:0:0:1]:1"),
            ("[2001:db8::a]:1", "[2001:DB8:0::A]:1"),
            ("10.0.0.1:1", "[::ffff:10.0.0.1]:1"),
        ):
            message = self.refusal(f"other:1,{first},{second}")
            self.assertIn("is listed twice", message)
            self.assertIn(VaultAddress.parse(first).host, message)
            self.assertIn(VaultAddress.parse(second).host, message)

    def test_different_addresses(self) -> None:
        for text in ("a:1,a:2", "a:1,b:1", "127.0.0.1:1,127.0.0.2:1", "[::1]:1,[::2]:1", "a:1,a.b:1"):
            self.assertEqual(len(parse_vaults(text)), 2)

    def test_the_longest_list(self) -> None:
        self.assertEqual(VAULTS_MAX, 64)
        self.assertEqual(len(parse_vaults(",".join(f"vault:{port}" for port in range(1, 65)))), 64)
        self.assertIn("65 vaults", self.refusal(",".join(f"vault:{port}" for port in range(1, 66))))
