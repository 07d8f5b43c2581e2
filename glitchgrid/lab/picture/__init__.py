"""A run as a picture: lanes of processes, what they send each other, what clients see, and what is done to them.

It knows nothing of where the run comes from: a simulated world, or real processes that were watched.
"""
