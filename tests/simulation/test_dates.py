"""How far an answer's date may be from its server's clock."""

import pytest
from twisted.web.http import datetimeToString

from glitchgrid.lab.register.oracles.wire import CONTROL, DATE_S, Answered, Known, _problem_of_date

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("off_s", "late_s", "is_wrong"),
    [
        (0, 0.0, False),
        (-DATE_S, 0.0, False),
        (-DATE_S - 1, 0.0, True),
        (DATE_S + 1, 0.0, True),
        (DATE_S + 1, 1.5, True),
        (-DATE_S - 1, 1.5, False),
        (-DATE_S - 2, 1.5, True),
    ],
)
def test_only_an_answer_that_is_read_late_may_have_an_older_date(off_s: int, late_s: float, is_wrong: bool) -> None:
    known = Known(CONTROL, 7, 3, None, lambda: NOW_S, late_s=late_s)
    dated = Answered(b"HTTP/1.1 200 OK", [(b"date", datetimeToString(NOW_S + off_s))], b"7")
    assert (_problem_of_date(dated, known) is not None) == is_wrong
