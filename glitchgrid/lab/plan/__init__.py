"""Plans of runs: what a seed draws for a system, how it is written down, and how it is read again."""
