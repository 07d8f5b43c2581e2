"""Checkers of histories: a fast one for the max-register, and a slow search that tests hold it against."""
