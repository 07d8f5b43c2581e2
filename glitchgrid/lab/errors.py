"""What the commands say when they can't do what they were asked: one line each, exit status 2."""

from glitchgrid.errors import GlitchgridError


class CannotRun(GlitchgridError):
    """Something is missing or in the way. The text is the line that the user sees."""
