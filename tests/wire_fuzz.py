"""A fuzzer that reads the document of the wire, against a real server: ``python -m tests.wire_fuzz --minutes 5``.

Schemathesis makes requests of what the document allows and of what it does not, and holds the answers against it.
Checks of our own say what a body deserves, byte by byte.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from attrs import field, frozen
from schemathesis.engine import Status, events, from_schema

from glitchgrid.value import BODY_BYTES_MAX, VALUE_MAX
from tests.end_to_end.processes import HOST, Grid, Servers, ask, free_port, wait_until
from tests.pressure.watching import Watched

GRIDS_MOST = 1_000_000
"""Control's --value-max: one write of the largest value there is would end the register."""

TAKEN, REFUSED = {200, 400, 409, 412}, {400}
CONFIG = {
    "cache": {"enabled": False},
    "generation": {"database": "none"},
    "checks": {
        # A value may be below the floor, or what the vault holds: the fuzzer knows no state.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409", "412"]},
        "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "409", "412", "413"]},
    },
    "operations": [
        # Queries and fields that nobody knows are nothing.
        {
            "include-path": ["/livez", "/readyz", "/metrics", "/status", "/openapi.json"],
            "checks": {"negative_data_rejection": {"enabled": False}},
        }
    ],
}


@schemathesis.deserializer("text/plain")  # without it bodies of that type are not looked at
def _plain(_context: Any, response: Any) -> str:
    return str(response.content.decode("utf-8"))


@schemathesis.check
def a_body_gets_what_it_deserves(_context: Any, response: Any, _case: Any) -> None:
    request = response.request
    if request.method != "POST" or not re.fullmatch(r"https?://[^/]+/?(\?.*)?", request.url):
        return
    body = request.body or b""
    data = body.encode("utf-8") if isinstance(body, str) else body
    digits = data.strip(b" \t\r\n")
    if len(data) > BODY_BYTES_MAX:
        assert response.status_code == 413, data
    elif re.fullmatch(rb"[0-9]+", digits) and 1 <= int(digits) <= VALUE_MAX:
        assert response.status_code in TAKEN, data
        assert response.content != b"Invalid or missing POST body", data
    else:
        assert response.status_code in REFUSED, data


@schemathesis.check
def an_answer_says_how_long_it_is(_context: Any, response: Any, _case: Any) -> None:
    (length,) = response.headers["content-length"]
    assert response.request.method == "HEAD" or int(length) == len(response.content)
    assert response.status_code != 405 or response.headers.get("allow"), "it says what is allowed"


@frozen
class Fuzzed:
    """:ivar cases: requests that were made.
    :ivar failed: what was wrong, once each, with a command that shows it.
    """

    statuses: Counter[int] = field(factory=Counter)
    failed: dict[str, str] = field(factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())


def fuzz(port: int, seconds: float, seed: int = 1) -> Fuzzed:
    """Ask a server for its document, and have it keep what that says."""
    document = json.loads(ask(port, path="/openapi.json").body)
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
    schema.config.update(base_url=f"http://{HOST}:{port}", request_timeout=10)
    schema.config.max_time, schema.config.seed, schema.config.continue_on_failure = int(seconds), seed, True
    found = Fuzzed()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.failed[str(event)] = ""
        elif isinstance(event, events.ScenarioFinished):
            _note(event.recorder, found)
    return found


def _note(recorder: Any, found: Fuzzed) -> None:
    for exchange in recorder.interactions.values():
        if exchange.response is not None:
            found.statuses[exchange.response.status_code] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.status == Status.FAILURE:
                info = check.failure_info
                what = f"{recorder.label}: {check.name}: {info.failure.title if info else ''}"
                found.failed.setdefault(what, info.code_sample if info else "")


def started(servers: Servers) -> Grid:
    """A control of three vaults, which stays usable, and a grid of one vault behind them."""
    vaults = [servers.vault().restart() for _ in range(3)]
    control = servers.control([each.address for each in vaults], ["--value-max", str(GRIDS_MOST)]).restart()
    port = free_port()
    alone = servers.vault(port=port, options=["--peers", f"{HOST}:{port}", "--allow-unlisted"]).restart()
    wait_until(lambda: ask(port, path="/readyz").status == 200, "it is formed")
    return Grid(control, [*vaults, alone])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.wire_fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for each of the two servers")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Servers(Path(directory)) as servers:
        grid = started(servers)
        failed: dict[str, str] = {}
        for server in (grid.control, grid.vaults[-1]):
            watched = Watched(server)
            before, began_s = watched.held(), time.monotonic()
            found = fuzz(server.port, 60 * given.minutes)
            after = watched.held()
            took_min = (time.monotonic() - began_s) / 60
            statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(found.statuses.items()))
            print(
                f"{server.name.partition('-')[0]}: {found.cases:,} requests in {took_min:.1f} min ({statuses});"
                f" memory {before.memory_mib:.1f} to {after.memory_mib:.1f} MiB,"
                f" descriptors {before.descriptors} to {after.descriptors}; {len(found.failed)} failures",
                flush=True,
            )
            failed |= found.failed
        bugs = servers.bugs()
    for what, how in failed.items():
        print(f"{what}\n  {how}")
    print("\n".join(bugs), end="")
    sys.exit(bool(failed or bugs))


if __name__ == "__main__":
    main()
