"""A replicated register that people run, break and learn from."""

__version__ = "0.1.0"
