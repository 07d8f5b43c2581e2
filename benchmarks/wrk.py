"""One run of wrk against one contender: what it measured, and what it found wrong."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.dialects import ETCD_KEY, HOST
from benchmarks.errors import CannotMeasure

LOAD_SCRIPT = Path(__file__).with_name("load.lua")
ANSWER_TIMEOUT_S = 10
"""Longer than any contender lets a request wait: an answer that takes longer counts as an error."""

SLACK_S = 20.0


@frozen
class Load:
    """What wrk saw. `ok` are the 200s with a right answer, and nothing else counts as done.

    `refused` are the 400s, `failed` are other statuses, `broken` are connections and time-outs. The latencies are of
    all answers, as wrk has them: it adds what a closed loop leaves out while it waits for a late answer.
    """

    seconds: float
    ok: int
    refused: int
    failed: int
    broken: int
    wrong: int
    first_wrong: str
    acknowledged: int
    sent: int
    p50_ms: float
    p99_ms: float
    wrk_cpu_s: float


def run_wrk(
    port: int,
    dialect: str,
    kind: str,
    connections: int,
    seconds: int,
    low: int,
    high: int,
    check: bool = True,
    scheme: str = "http",
) -> Load:
    """Load `port` for some seconds; load.lua says what the rest means.

    :raises CannotMeasure: when wrk is missing, or fails.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise CannotMeasure("wrk is missing: apt-get install wrk")
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{ANSWER_TIMEOUT_S}s"]
    described = [dialect, kind, str(low), str(high), ETCD_KEY, "yes" if check else "no", str(connections)]
    command = [wrk, *options, "-s", str(LOAD_SCRIPT), f"{scheme}://{HOST}:{port}/", "--", *described]
    before_s = _children_cpu_s()
    try:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},  # no LUA_INIT, no LUA_PATH of somebody's
            text=True,
            timeout=seconds + SLACK_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotMeasure(f"wrk did not end {SLACK_S:g} s after its time") from None
    if done.returncode != 0:
        raise CannotMeasure(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    return parse(done.stdout, _children_cpu_s() - before_s)


def parse(output: str, wrk_cpu_s: float = 0.0) -> Load:
    """What load.lua printed.

    :raises CannotMeasure: when it did not.
    """
    try:
        said: dict[str, Any] = json.loads(output.rstrip().splitlines()[-1])
        return Load(
            seconds=said["duration_us"] / 1e6,
            ok=said["ok"],
            refused=said["refused"],
            failed=said["failed"],
            broken=sum(said[kind] for kind in ("connect", "read", "write", "timeout")),
            wrong=said["wrong"],
            first_wrong=said["first_wrong"],
            acknowledged=said["acknowledged"],
            sent=said["sent"],
            p50_ms=said["p50_us"] / 1e3,
            p99_ms=said["p99_us"] / 1e3,
            wrk_cpu_s=wrk_cpu_s,
        )
    except (IndexError, KeyError, TypeError, ValueError):
        raise CannotMeasure(f"wrk did not end with load.lua's line: {output.strip()[-200:]!r}") from None


def _children_cpu_s() -> float:
    """Processor time of children that have ended: while wrk runs no other does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
