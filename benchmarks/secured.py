"""What TLS costs: a grid without it, and one with it, side by side.

In the second one clients ask control by TLS, and control and its vaults show each other certificates.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import trustme

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import HOST, GridDialect, SecureGridDialect
from benchmarks.plan import Load, Plan

TLS, PLAIN = "tls", "plain"
KINDS = ("get", "post")
LEAST = 0.6


def _program(certificates: Path, program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
    own, ca = str(certificates / "own.pem"), str(certificates / "ca.pem")
    options = ["--tls-cert", own, "--tls-key", own]
    if program == "vault":
        options += ["--tls-client-ca", ca]
    else:
        options += ["--vault-ca", ca, "--client-cert", own, "--client-key", own]
    return [*twistd("atomic")(program, port, vaults, directory), *options]


def contenders(scratch: Path) -> dict[str, Contender]:
    """:param scratch: where certificates are kept."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(scratch / "ca.pem"))
    own = scratch / "own.pem"
    own.touch(mode=0o600)
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(own))
    return {
        TLS: Contender(
            TLS,
            "grid, TLS",
            SecureGridDialect(scratch / "ca.pem"),
            True,
            functools.partial(start_grid, functools.partial(_program, scratch)),
        ),
        PLAIN: Contender(PLAIN, "grid", GridDialect(), True, functools.partial(start_grid, twistd("atomic"))),
    }


def plan(connections: Sequence[int], seconds: int, rounds: int) -> Plan:
    loads = (Load("healthy", kind, count, (TLS, PLAIN)) for kind in KINDS for count in connections)
    return Plan(tuple(loads), seconds, rounds)
