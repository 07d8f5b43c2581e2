"""The document of the wire has the routes and errors that there are. What it promises is fuzzed elsewhere."""

import json
import re
from typing import Any

import pytest

from glitchgrid.control import ControlFace
from glitchgrid.errors import RequestError
from glitchgrid.http.face import routes
from glitchgrid.value import parse_value
from glitchgrid.vault import VaultFace

FACES = [ControlFace, VaultFace]
METHODS = {"get", "post"}


def errors(kind: type[RequestError] = RequestError) -> list[type[RequestError]]:
    return [kind, *(found for each in kind.__subclasses__() for found in errors(each))]


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


@pytest.mark.parametrize("face", FACES)
def test_it_has_the_routes_that_there_are(face: Any) -> None:
    document = json.loads(face.openapi)
    assert sorted(document["paths"]) == routes(face.app)
    for rule in face.app.url_map.iter_rules():
        told = {method.upper() for method in document["paths"][rule.rule]}
        served = {method for each in face.app.url_map.iter_rules() if each.rule == rule.rule for method in each.methods}
        assert told == served - {"HEAD", "OPTIONS"}


@pytest.mark.parametrize("face", FACES)
def test_its_statuses_are_those_of_errors_and_its_texts_theirs(face: Any) -> None:
    document = json.loads(face.openapi)
    known = {str(each.status) for each in errors()} | {"200", "412"}
    messages = {getattr(each, "message", None) for each in errors()}
    for operation in operations(document):
        assert set(operation["responses"]) <= known
        for answer in operation["responses"].values():
            for content in answer["content"].values():
                assert set(content["schema"].get("enum", ())) <= messages


@pytest.mark.parametrize("face", FACES)
def test_what_it_calls_a_value_is_one(face: Any) -> None:
    schema = json.loads(face.openapi)["paths"]["/"]["post"]["requestBody"]["content"]["text/plain"]["schema"]
    for text in ("1", " 7\r\n", "00000042", "9" * 18, "\t1" + "0" * 17):
        assert re.search(schema["pattern"], text), text
        assert parse_value(text.encode("ascii")) > 0
    for text in ("", "0", "000", "1_0", "+5", "1e3", "x", "-1", "1 1"):
        assert not re.search(schema["pattern"], text), text
