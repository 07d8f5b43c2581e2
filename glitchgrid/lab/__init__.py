"""The laboratory: it runs a system, breaks it, judges what came of that, and shows it.

All of it is for any system, but for `glitchgrid.lab.register`, which tells it of this one.
"""
