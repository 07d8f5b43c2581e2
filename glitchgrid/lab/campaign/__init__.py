"""Runs of a system in a simulated world: one, many, the same elsewhere, the smallest that fails, and its picture."""
