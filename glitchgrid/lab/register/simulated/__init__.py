"""A grid in a simulated world: its programs, its clients, exercises beside it, and how a run ends."""
