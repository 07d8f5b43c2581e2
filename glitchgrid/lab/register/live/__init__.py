"""A grid that people look at and break while it runs: a page, and what it can do."""
