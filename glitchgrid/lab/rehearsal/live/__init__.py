"""The page on which a rehearsal is watched, and broken by hand: what it is told, and what it asks for."""
