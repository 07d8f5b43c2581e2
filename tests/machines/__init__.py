"""Real machines, as far as no namespace is needed."""
