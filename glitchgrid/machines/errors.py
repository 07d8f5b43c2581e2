"""What can go wrong with real machines."""


class CannotBeMade(Exception):
    """A machine cannot be made, or does not answer. The text is for people: what, why, and the cure."""
