import re

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid import errors
from glitchgrid.errors import (
    ChangeRefused,
    FenceRefused,
    GlitchgridError,
    InternalError,
    ListDiffers,
    RequestError,
    ValueDecreases,
    ValueTooLarge,
)


def tree(kind: type[Exception], depth: int = 0) -> list[tuple[int, str]]:
    """Each error under `kind`, with its depth, in the order of the source."""
    below = [
        line
        for child in kind.__subclasses__()
        if child.__module__ == errors.__name__
        for line in tree(child, depth + 1)
    ]
    return [(depth, kind.__name__), *below]


class ErrorTests(SynchronousTestCase):
    def test_the_tree_in_the_docstring_is_the_tree(self) -> None:
        drawn = re.findall(r"^    ((?:\|   |    )*)(?:\+-- )?(\w+)(?: +(\d{3}) )?", errors.__doc__ or "", re.MULTILINE)
        self.assertEqual(sorted(name for _, name, _ in drawn), sorted(name for _, name in tree(GlitchgridError)))
        for _, name, status in drawn:
            if status:
                self.assertEqual(getattr(errors, name).status, int(status), name)

    def test_each_refusal_has_a_line_for_its_client(self) -> None:
        for kind in RequestError.__subclasses__():
            arguments = {
                ValueDecreases: (9, 5),
                ValueTooLarge: (9, 5),
                ListDiffers: (["vault1:8001", "vault2:8001"],),
                FenceRefused: ("it has been replaced itself",),
                ChangeRefused: ("this vault does not vote",),
            }.get(kind, ())
            error = kind(*arguments)
            self.assertTrue(error.message)
            self.assertEqual(str(error), error.message)
            self.assertNotIn("\n", error.message)
            self.assertIn(kind.status, (400, 401, 403, 404, 405, 408, 409, 413, 428, 500, 503))

    def test_codes_are_stable(self) -> None:
        self.assertEqual(InternalError.code, "internal-error")
        self.assertEqual(
            sorted(kind.code for kind in RequestError.__subclasses__()),
            [
                "bad-request",
                "body-too-large",
                "change-refused",
                "changing",
                "fence-refused",
                "forbidden",
                "forming",
                "internal-error",
                "invalid-value",
                "list-differs",
                "list-missing",
                "method-not-allowed",
                "not-found",
                "rejoining",
                "replaced",
                "request-timeout",
                "store-busy",
                "store-failed",
                "too-many-connections",
                "too-many-operations",
                "unauthorized",
                "unknown-guard",
                "value-decreases",
                "value-too-large",
            ],
        )
