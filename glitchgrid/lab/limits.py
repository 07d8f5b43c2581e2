"""What the fields of a plan may be. The messages are for whoever has edited one."""

from collections.abc import Callable
from typing import Any

from attrs import Attribute

Check = Callable[[Any, "Attribute[Any]", Any], None]


def whole(least: int, most: int) -> Check:
    """A whole number; True is an int to Python, and no number to anybody else."""

    def check(_instance: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{attribute.name} is {value!r}, and no whole number from {least} to {most}")

    return check


def yes_or_no(_instance: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if type(value) is not bool:
        raise ValueError(f"{attribute.name} is {value!r}, and not true or false")


def one_of(*choices: str) -> Check:
    def check(_instance: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if value not in choices:
            raise ValueError(f"{attribute.name} is {value!r}, and not one of {', '.join(choices)}")

    return check


def text(_instance: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if type(value) is not str:
        raise ValueError(f"{attribute.name} is {value!r}, and no text")
