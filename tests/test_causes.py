"""Failures by their cause."""

from glitchgrid.lab.report.causes import causes, told


def violation(seed: str, message: str, oracle: str = "checker") -> dict[str, str]:
    return {"seed": seed, "oracle": oracle, "message": message, "replay": f"glitchgrid simulate --seed {seed}"}


FOUND = [
    violation("3", "read #5 returned 7"),
    violation("3", "vault1 holds 5", "invariant"),
    violation("8", "read #12 returned 0"),
    violation("9", "vault2 holds 5", "invariant"),
    violation("9", "vault3 holds 5", "invariant"),
    violation("9", "nothing was heard"),
    violation("12", "vault1 holds 6", "invariant"),
]


def test_numbers_make_no_cause() -> None:
    found = [(each.first["message"], each.seeds) for each in causes(FOUND)]
    assert found == [
        ("vault1 holds 5", ["3", "9", "12"]),
        ("read #5 returned 7", ["3", "8"]),
        ("nothing was heard", ["9"]),
    ]


def test_what_people_read() -> None:
    assert list(told(FOUND, 20, 4)) == [
        "3 causes of failure, in 4 of 20 runs:",
        "",
        "invariant: vault1 holds 5",
        "  in 3 of 20 runs, the first is seed 3",
        "  glitchgrid simulate --seed 3",
        "",
        "checker: read #5 returned 7",
        "  in 2 of 20 runs, the first is seed 3",
        "  glitchgrid simulate --seed 3",
        "",
        "checker: nothing was heard",
        "  in one of 20 runs, seed 9",
        "  glitchgrid simulate --seed 9",
        "",
    ]
    assert list(told([], 20, 0)) == []
    assert next(told(FOUND[:1], 20, 1)) == "one cause of failure, in 1 of 20 runs:"
