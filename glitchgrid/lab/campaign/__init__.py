"""The grid in a simulated world: its programs, its clients, what is done to them, and what is held against them."""
