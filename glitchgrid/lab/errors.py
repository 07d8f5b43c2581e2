"""Errors of the commands. Each is shown as one line, and the command exits with 2."""

from glitchgrid.errors import GlitchgridError


class CannotRun(GlitchgridError):
    """Something is missing or in the way. The text is the line that the user sees."""


class HistoryInvalid(GlitchgridError):
    """A line of a history is not what the format says. The text fits behind "FILE: "."""

    def __init__(self, line_number: int, problem: str, offset: int | None = None) -> None:
        self.line_number = line_number
        self.problem = problem
        self.offset = offset
        where = f"line {line_number}" if offset is None else f"line {line_number}, offset {offset}"
        super().__init__(f"{where}: {problem}")


class PlanInvalid(GlitchgridError):
    """A plan is not what it should be. The text fits behind "FILE: "."""


class ModelMismatch(GlitchgridError):
    """A model has no such function, or not with such an argument. The text fits behind "FILE: "."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        super().__init__(f"line {line}: {problem}" if line else problem)
