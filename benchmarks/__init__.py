"""How fast the grid is, beside others that do the same job. `python -m benchmarks --help` says what there is."""
