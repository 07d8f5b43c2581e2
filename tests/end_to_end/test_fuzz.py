"""The document of the wire is true: a fuzzer that reads it finds no answer that it does not allow, for some seconds."""

from tests.end_to_end.processes import Servers
from tests.wire_fuzz import fuzz, started

SECONDS = 10
CASES_MIN = 50


def test_answers_are_those_of_the_document(servers: Servers) -> None:
    grid = started(servers)
    for server in (grid.control, grid.vaults[-1]):
        found = fuzz(server.port, SECONDS)
        assert not found.failed, found.failed
        assert found.cases >= CASES_MIN
        assert {200, 400} <= set(found.statuses), found.statuses
        assert server.process.poll() is None
