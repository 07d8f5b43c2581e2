"""Exercises: servers of our own beside the grid, each brought into one situation, and all that has to come of it.

Faults drawn by chance bring a grid into most situations, and none of them often enough for a sharp question. An
exercise is short and knows what has to happen: to the answer, to what the vaults are asked, and to the log.

=============  =====================================================================================
`bench`        machines beside the grid: a control or a vault, and scripted vaults (`scripted/script.py`)
`answers`      what a control makes of what vaults answer
`times`        what a control does when: rests, deadlines, lines in the log
`files`        what a vault makes of the files that it finds, and of its disk
`services`     how servers start and end
`limits`       what servers refuse because it is too much
`addresses`    the lists of vaults that a control takes
`turns`        which run has which exercises
=============  =====================================================================================

A run has two of them or none, by its number: the first runs of every hundred, fewer than thirty, go through all.
"""
