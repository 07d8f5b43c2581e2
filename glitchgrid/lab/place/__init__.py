"""A real process in which systems run in simulated worlds, one run after the other, and what it has in common with
others of its kind.
"""
