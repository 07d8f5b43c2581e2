"""Every run of a few vaults as members of their grid: the real decisions, explored exhaustively.

Disks are lost, vaults crash, and answers are lost or late, at any moment. One value is written and read meanwhile.

`python -m tests.exploration.membership --help` is the command.
"""
