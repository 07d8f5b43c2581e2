"""A Test Composer for one's own machine: timelines of test commands and faults, on real processes.

It follows the published rules of Antithesis's (https://antithesis.com/docs/test_templates/): which command is called
when, what runs beside it, and when faults are off. It lacks what the platform adds: a run is not deterministic here,
and cannot be replayed.
"""
