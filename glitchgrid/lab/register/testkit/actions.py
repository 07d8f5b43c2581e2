"""What the clients of a timeline do, each action as often as its weight has it."""

LARGER, EQUAL, SMALLER, READ, LEAVE = "larger", "equal", "smaller", "read", "leave"
"""Write more than was ever written, that again, or less; read; write more, and leave in the middle."""

ACTIONS = (LARGER, EQUAL, SMALLER, READ, LEAVE)
