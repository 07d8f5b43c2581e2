"""A program for `test_dates`: the day as code of every kind asks for it. What is patched stays so, hence a process.

It prints what it read, in JSON. Its argument: the world's time of day, in nanoseconds since 1970.
"""

import json
import pickle
import sys
import threading
import warnings
from datetime import date, datetime, timedelta, timezone
from typing import Any

from glitchgrid.simulation.kernel import dates
from glitchgrid.simulation.kernel.seam import Seam


class Moment(datetime):
    @classmethod
    def fromtimestamp(cls, *_: Any) -> Any:
        raise AssertionError("now() is not made of it")


class Day(date):
    pass


WEST = timezone(timedelta(hours=-7))


def read() -> dict[str, str]:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        utc = datetime.utcnow()
    return {
        "timestamp": str(datetime.now().timestamp()),
        "now": repr(datetime.now()),
        "now with a zone": repr(datetime.now(WEST)),
        "now with a zone by its name": repr(datetime.now(tz=WEST)),
        "fold": str(datetime.now().fold),
        "today": repr(datetime.today()),
        "date": repr(date.today()),
        "utcnow": repr(utc),
        "warnings of utcnow": str(len(warned)),
        "a subclass": f"{Moment.now()!r} {Moment.utcnow()!r} {Day.today()!r}",
        "of an object": repr(datetime(2000, 1, 1).now()),
    }


def in_another_thread() -> dict[str, str]:
    found: list[dict[str, str]] = []
    thread = threading.Thread(target=lambda: found.append(read()))
    thread.start()
    thread.join()
    return found[0]


before = datetime.now()
pickled = pickle.dumps([before, date.today()])
for _ in range(1000):  # until the interpreter knows by heart where the methods are
    datetime.now(), date.today()

seam = Seam()
warnings.simplefilter("ignore")
dates.put_in(seam, lambda: 0)
dates.put_in(seam, lambda: int(sys.argv[1]))  # the second takes the place of the first
found = {"outside": read()}
seam.enter(None)
found |= {"inside": read(), "in another thread": in_another_thread()}
same = {
    "objects of before": all(isinstance(each, date) for each in pickle.loads(pickled)) and isinstance(before, datetime),
    "pickled before": pickle.loads(pickled)[0] == before,
    "pickled inside": type(pickle.loads(pickle.dumps(datetime.now()))) is type(before),
    "the method itself": pickle.loads(pickle.dumps(datetime.now)) == datetime.now,
    "its name": datetime.now.__qualname__ == "datetime.now" and datetime.now.__doc__ is not None,
}
seam.leave()
print(json.dumps({**found, "after": read(), "is the same": same}))
