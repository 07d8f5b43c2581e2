"""Deliberate bugs, for the laboratory to find. None is on unless it is asked for, and none of them is in the product.

Each is an override of a function or two of the product's, as somebody might have written them who did not know better.
`Glitch.on` puts it in place for a while; what is started meanwhile has it.

A new one is a function in one of these modules that makes the override from the original, with `glitch` above it: its
name, what it overrides, what is done wrong, and what comes of it.
"""

from glitchgrid.lab.register.glitches import disks, stores, membership, control, hanging  # noqa: I001 - the catalogue's order
from glitchgrid.lab.register.glitches.catalogue import GLITCHES, switched_on

__all__ = ["GLITCHES", "control", "disks", "hanging", "membership", "stores", "switched_on"]
