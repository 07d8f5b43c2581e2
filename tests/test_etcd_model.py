"""What etcd promises of its keys, as the model has it: revisions, conditions, leases, ranges."""

import json

import pytest

from glitchgrid.lab.checkers.judging import judge
from glitchgrid.lab.checkers.models import guess
from glitchgrid.lab.checkers.models.etcd import DELETE, PUT, RANGE, Etcd
from glitchgrid.lab.checkers.result import Linearizable, NotLinearizable
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.formats.etcd import read_records
from glitchgrid.lab.history.operation import History, Outcome

Fields = dict[str, object]


class Records:
    """Requests one after the other, as etcd's tests record them."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, kind: str, request: Fields, response: Fields) -> "Records":
        name = kind[0].upper() + kind[1:]
        call_ns = 10 * (len(self._lines) + 1)
        record = {
            "ClientId": 1,
            "Input": {"Type": kind, name: request},
            "Call": call_ns,
            "Output": response,
            "Return": call_ns + 5,
        }
        self._lines.append(json.dumps(record))
        return self

    def txn(self, revision: int, *steps: Fields, results: object = None, failed: bool = False) -> "Records":
        response: Fields = {"Failure": failed, "Results": results or [{}] * len(steps)}
        return self.add("txn", {"OperationsOnSuccess": steps}, {"Txn": response, "Revision": revision})

    def guarded(self, condition: Fields, revision: int, failed: bool) -> "Records":
        request: Fields = {
            "Conditions": [{"Key": "a"} | condition],
            "OperationsOnSuccess": [put("a", "then")],
            "OperationsOnFailure": [look("a")],
        }
        return self.add("txn", request, {"Txn": {"Failure": failed}, "Revision": revision})

    def range(self, revision: int, *pairs: tuple[str, str, int], count: int | None = None, **more: object) -> "Records":
        found = [{"Key": key, "Value": {"Value": value}, "ModRevision": changed} for key, value, changed in pairs]
        response: Fields = {"Range": {"KVs": found or None, "Count": len(pairs) if count is None else count}}
        return self.add("range", {"Start": "a", "End": "z"} | more, response | {"Revision": revision})

    @property
    def history(self) -> History:
        return read_records(self._lines)

    @property
    def is_fine(self) -> bool:
        verdict = judge(self.history, Etcd())
        assert isinstance(verdict, Linearizable | NotLinearizable)
        return isinstance(verdict, Linearizable)


def put(key: str, value: str, lease: int = 0) -> Fields:
    return {"Type": PUT, "Put": {"Key": key, "Value": {"Value": value}, "LeaseID": lease}}


def look(key: str) -> Fields:
    return {"Type": RANGE, "Range": {"Start": key, "End": "", "Limit": 0}}


def delete(key: str) -> Fields:
    return {"Type": DELETE, "Delete": {"Key": key}}


def test_a_change_makes_the_revision_larger_by_one() -> None:
    assert Records().range(1).txn(2, put("a", "1"), put("b", "2")).range(2, ("a", "1", 2), ("b", "2", 2)).is_fine
    assert not Records().txn(3, put("a", "1")).is_fine
    assert not Records().txn(2, put("a", "1")).range(2, ("a", "2", 2)).is_fine
    assert not Records().txn(2, put("a", "1")).range(2, ("a", "1", 1)).is_fine
    assert not Records().txn(2, put("a", "1")).range(1).is_fine
    assert Records().txn(2, put("a", "1")).txn(2, look("a")).txn(2, delete("b")).is_fine


def test_a_deletion() -> None:
    deleted = [{"Deleted": 1}]
    assert Records().txn(2, put("a", "1")).txn(3, delete("a"), results=deleted).range(3).is_fine
    assert not Records().txn(2, put("a", "1")).txn(3, delete("a"), results=[{"Deleted": 0}]).is_fine
    assert not Records().txn(2, delete("a"), results=deleted).is_fine


def test_conditions() -> None:
    written = Records().txn(2, put("a", "1"))
    assert written.guarded({"ExpectedRevision": 2}, 3, failed=False).range(3, ("a", "then", 3)).is_fine
    assert written.guarded({"ExpectedRevision": 2}, 3, failed=True).range(3, ("a", "then", 3)).is_fine
    assert not Records().guarded({"ExpectedRevision": 0}, 1, failed=True).is_fine
    assert not Records().guarded({"ExpectedRevision": 5}, 2, failed=False).is_fine
    again = Records().txn(2, put("a", "1")).txn(3, put("a", "2"))
    assert again.guarded({"ExpectedVersion": 2}, 4, failed=False).is_fine
    assert not again.guarded({"ExpectedVersion": 2}, 5, failed=False).is_fine


def test_what_a_range_shows() -> None:
    three = Records().txn(2, put("a", "1"), put("b", "2"), put("c", "3"))
    assert three.range(2, ("a", "1", 2), ("b", "2", 2), count=3, Limit=2).is_fine
    assert three.range(2, ("b", "2", 2), Start="b", End="").is_fine
    assert three.range(2, count=0, Start="d", End="").is_fine
    assert three.range(2, ("x", "of old", 1), Revision=1).is_fine  # is not looked at
    assert not three.range(3, ("x", "of old", 1), Revision=1).is_fine


def test_leases() -> None:
    leased = Records().add("leaseGrant", {"LeaseID": 7}, {"Revision": 1}).txn(2, put("a", "1", 7), put("b", "2"))
    assert leased.add("leaseRevoke", {"LeaseID": 7}, {"Revision": 3}).range(3, ("b", "2", 2)).is_fine
    assert not leased.txn(4, put("a", "3", 7)).is_fine  # the lease is gone: nothing was put
    again = Records().add("leaseGrant", {"LeaseID": 7}, {"Revision": 1}).txn(2, put("a", "1", 7)).txn(3, put("a", "2"))
    assert again.add("leaseRevoke", {"LeaseID": 7}, {"Revision": 3}).range(3, ("a", "2", 3)).is_fine


def test_what_nobody_knows_may_have_happened() -> None:
    in_doubt: Fields = {"Error": "context deadline exceeded"}
    first = Records().add("txn", {"OperationsOnSuccess": [put("a", "1")]}, in_doubt)
    assert first.range(1).range(2, ("a", "1", 2)).is_fine
    assert not first.range(1).is_fine
    persisted = Records().add("txn", {"OperationsOnSuccess": [put("a", "1")]}, {"Persisted": True})
    assert persisted.history.operations[0].outcome is Outcome.AMBIGUOUS
    refused = Records().add("range", {"Start": "a", "Revision": 9}, {"ClientError": "future rev"})
    assert refused.history.operations[0].outcome is Outcome.FAILED
    assert refused.add("defragment", {}, {"Revision": 44}).add("compact", {"Revision": 1}, {"Revision": -1}).is_fine


def test_many_in_doubt_are_told_apart_by_what_was_seen() -> None:
    records = Records()
    for number in range(200):
        request: Fields = {"OperationsOnSuccess": [put(f"k{number:03}", str(number))]}
        records.add("txn", request, {"Error": "context deadline exceeded"})
    seen = [(f"k{number:03}", str(number), 2 + place) for place, number in enumerate(range(0, 200, 20))]
    records.range(11, *seen)
    assert records.is_fine


def test_a_revision_that_was_not_told() -> None:
    """What a range shows was there, whatever revision it tells."""
    records = Records().add("txn", {"OperationsOnSuccess": [put("a", "1")]}, {"Error": "context deadline exceeded"})
    assert records.range(0, ("a", "1", 2)).is_fine
    untold = Records().add("txn", {"OperationsOnSuccess": [put("a", "1")]}, {"Error": "context deadline exceeded"})
    assert untold.txn(0, look("a"), results=[{"KVs": [{"Key": "a", "Value": {"Value": "1"}}]}]).is_fine


def test_what_is_no_request() -> None:
    with pytest.raises(ModelMismatch, match="txn has nil where etcd has fields"):
        judge(Records().txn(2, {"Type": PUT}).history, Etcd())
    history = Records().txn(2, {"Type": "lock"}).history
    assert guess(history.operations) is not None
    with pytest.raises(ModelMismatch, match="txn has a step of type lock, which is not known"):
        judge(history, Etcd())
