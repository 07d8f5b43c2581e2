"""What can be done to a system on simulated machines: each fault can be drawn, written down and read again.

They mirror what Antithesis documents of its own faults, and go further with disks and power. A new kind is a class
with `draw`, `begin` and `end`, and a place in the table in `kinds`.
"""
