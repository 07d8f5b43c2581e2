"""What ends a benchmark before it has a result."""


class CannotMeasure(Exception):
    """Something is missing, or a contender did not come up. The text is one line, and says what to do where it can."""


class DoesNotAnswer(CannotMeasure):
    """A contender does not do its work. That is a result, of this cell: the run goes on."""
