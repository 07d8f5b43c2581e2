"""A vault among the other vaults of its grid: what it asks them, what it tells them, and whether it votes."""
