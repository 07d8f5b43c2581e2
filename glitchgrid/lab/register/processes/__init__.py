"""A grid of real processes on this machine: the servers, the workload, faults, and a table of what it does."""
