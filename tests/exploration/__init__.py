"""Every run of a small grid: the real coordinator, explored exhaustively.

docs/explanation/correctness.md has what came of it.

`python -m tests.exploration --help` is the command.
"""
