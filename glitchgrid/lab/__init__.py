"""The laboratory: it runs a system, breaks it, judges what came of that, and shows it.

All of it works for any system, except `glitchgrid.lab.register`, which describes the register to it.
"""
