"""The document of the wire is true: a fuzzer that reads it finds no answer that it does not allow, for some seconds."""

from tests.end_to_end.processes import Servers
from tests.wire_fuzz import fuzz, started

SECONDS = (10, 30, 60)
"""The first of these is enough, where nothing else has the processors."""

CASES_MIN = 50
WANTED = {200, 400}


def test_answers_are_those_of_the_document(servers: Servers) -> None:
    grid = started(servers)
    for server in (grid.control, grid.vaults[-1]):
        for seconds in SECONDS:
            found = fuzz(server.port, seconds)
            assert not found.failed, found.failed
            if found.cases >= CASES_MIN and set(found.statuses) >= WANTED:
                break
        else:
            raise AssertionError(f"{found.cases} cases alone, {found.statuses}")
        assert server.process.poll() is None
