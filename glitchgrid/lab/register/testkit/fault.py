"""What a test command is there to find."""


class RealFault(Exception):
    """Something that must not happen, whatever was injected. Its text is the line that the command ends with."""
