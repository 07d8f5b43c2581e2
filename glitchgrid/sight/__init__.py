"""A grid as it looks from outside: what its servers tell, and what that comes to for whoever uses it."""
