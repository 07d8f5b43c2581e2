import os
import shutil
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import BadTokenFile
from glitchgrid.tokens import FILE_BYTES_MAX, TOKENS_MAX, Token, first_token, read_tokens

WRITER, READER = "Zk3vN0c5m1J8xQ2b", "t7Yw4R9p6L0aHs1d=="


class TokenFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def file(self, text: str, mode: int = 0o600) -> str:
        path = os.path.join(self.directory, "tokens")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def bad(self, path: str) -> str:
        line = str(self.assertRaises(BadTokenFile, read_tokens, path))
        self.assertTrue(line.startswith(f"{path}: "), line)
        self.assertNotIn("\n", line)
        return line

    def test_what_it_may_have(self) -> None:
        path = self.file(f"# mine\n\n  write\t{WRITER}  \nread {READER}")
        both = [Token(WRITER.encode(), may_write=True), Token(READER.encode(), may_write=False)]
        self.assertEqual(read_tokens(path), both)
        self.assertEqual(first_token(path), WRITER.encode())

    def test_what_a_client_presents_needs_no_word(self) -> None:
        self.assertEqual(first_token(self.file(READER)), READER.encode())
        for text in ("", "# none\n", "short\n", f"write {WRITER} x"):
            self.assertRaises(BadTokenFile, first_token, self.file(text))

    def test_lines_that_are_none(self) -> None:
        for text in (
            WRITER,
            f"admin {WRITER}",
            "write short",
            "write " + "x" * 257,
            f"write {WRITER}é",
            "write",
            "read a b",
        ):
            self.assertIn("line 2 is none of a file of tokens", self.bad(self.file(f"# \n{text}\n")), text)

    def test_files_that_cannot_be_used(self) -> None:
        self.assertIn("it has no token", self.bad(self.file("\n# none\n")))
        self.assertIn("No such file or directory", self.bad(os.path.join(self.directory, "missing")))
        self.assertIn("Is a directory", self.bad(self.directory))
        self.assertIn("larger than", self.bad(self.file("#" * (FILE_BYTES_MAX + 1))))
        self.assertIn("are the most", self.bad(self.file(f"write {WRITER}\n" * (TOKENS_MAX + 1))))

    def test_one_that_everybody_can_read(self) -> None:
        for mode in (0o604, 0o602, 0o644):
            path = self.file(f"write {WRITER}", mode)
            self.assertIn(f"everybody can read it: chmod o-rw {path}", self.bad(path))
        self.assertEqual(len(read_tokens(self.file(f"write {WRITER}", 0o640))), 1)
