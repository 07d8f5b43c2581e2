"""A grid with its live page, for tests, for measurements, and for the documentation's pictures."""

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from attrs import frozen

from tests.end_to_end.processes import HOST, free_port, wait_until
from tests.end_to_end.test_commands import free_ports_in_a_row

GLITCHGRID = str(Path(sys.executable).parent / "glitchgrid")
PATIENCE_S = 60


@frozen
class Got:
    status: int
    text: str
    headers: dict[str, str]


class Up:
    """A grid with its page."""

    def __init__(self, directory: Path, vaults: int = 3) -> None:
        self.port = free_ports_in_a_row(vaults)
        self._vaults = vaults
        self.web_port = free_port()
        self._output = directory / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [GLITCHGRID, "up", f"--vaults={vaults}", f"--port={self.port}", f"--web-port={self.web_port}"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def wait(self) -> None:
        wait_until(lambda: f"All {self._vaults} vaults are up" in self.said, f"it is up:\n{self.said}")

    @property
    def url(self) -> str:
        found = re.search(r"The page: (http://\S+/)", self.said)
        assert found, self.said
        return found[1]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def get(self, path: str = "", method: str = "GET", body: Any = None, **headers: str) -> Got:
        connection = http.client.HTTPConnection(HOST, self.web_port, timeout=PATIENCE_S)
        try:
            connection.request(method, path if path.startswith("/") else self.path + path, body, headers)
            response = connection.getresponse()
            return Got(response.status, response.read().decode(), {k.lower(): v for k, v in response.getheaders()})
        finally:
            connection.close()

    def do(self, verb: str, **arguments: Any) -> Got:
        return self.get("do", "POST", json.dumps({"verb": verb, **arguments}))

    def events(self) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(HOST, self.web_port, timeout=PATIENCE_S)
        connection.request("GET", f"{self.path}events")
        return connection.getresponse()

    def state(self) -> dict[str, Any]:
        with self.events() as events:
            assert events.readline() == b"event: state\n"
            told: dict[str, Any] = json.loads(events.readline().removeprefix(b"data: "))
            return told

    def member(self, name: str) -> dict[str, Any]:
        return next(each for each in self.state()["members"] if each["name"] == name)
