"""Pages on which something is watched while it goes on, and broken: their server, and what they have in common."""
