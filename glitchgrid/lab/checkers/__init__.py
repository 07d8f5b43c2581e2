"""Whether a history can be right: a fast checker for one model, and a slow search that knows no rules."""
