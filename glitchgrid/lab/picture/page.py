"""A picture as one page that needs nothing else: no network, no server, no other file."""

import json
from importlib.resources import files
from typing import Any

from attrs import asdict
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glitchgrid.lab.picture.model import Picture

SCRIPTS = (
    "scale.js", "axis.js", "place.js", "kinds.js", "describe.js", "lanes.js", "svg.js", "dense.js", "chart.js",
    "overview.js", "lines.js", "picture.js",
)  # fmt: skip
"""The component, in the order in which its parts need each other."""

EXACT_MAX = 2**53 - 1
"""The largest number that a browser tells from its neighbours."""


def as_page(picture: Picture) -> str:
    """The picture as HTML."""
    environment = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.j2").render(
        title=picture.title,
        notes=picture.notes,
        style=Markup(style()),
        script=Markup(script()),
        data=Markup(embedded(as_data(picture))),
    )


def style() -> str:
    """The component's style sheet."""
    return _static("picture.css")


def script() -> str:
    """The component: a script that defines `drawPicture`."""
    return "(() => {\n" + "\n".join(map(_static, SCRIPTS)) + "\nwindow.drawPicture = drawPicture;\n})();\n"


def as_data(picture: Picture) -> dict[str, Any]:
    """What the component draws. Values that a browser would round are texts."""
    data = asdict(picture, filter=lambda attribute, _: attribute.name != "trace")
    data["trace"] = [list(line) for line in picture.trace]
    for stair in data["stairs"]:
        stair["steps"] = [(at_ns, value if value <= EXACT_MAX else str(value)) for at_ns, value in stair["steps"]]
    return data


def embedded(data: dict[str, Any]) -> str:
    """JSON that can stand inside a script element, which a ``</script`` in a text would end."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")
