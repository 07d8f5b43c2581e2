"""Links between real processes."""
