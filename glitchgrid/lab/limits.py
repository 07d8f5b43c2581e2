"""What the fields of a plan may be: validators for attrs, with messages for whoever has edited a plan."""

from collections.abc import Callable
from typing import Any

from attrs import Attribute
from attrs.validators import in_, instance_of

Check = Callable[[Any, "Attribute[Any]", Any], Any]

text: Check = instance_of(str)
yes_or_no: Check = instance_of(bool)


def one_of(*choices: str) -> Check:
    """One of these texts."""
    return in_(choices)


def whole(least: int, most: int) -> Check:
    """A whole number in a range. attrs' own `instance_of(int)` would take True, which is an int to Python alone."""

    def check(_instance: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{attribute.name} is {value!r}, and no whole number from {least} to {most}")

    return check
