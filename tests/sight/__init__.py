"""A grid as it looks from outside."""
