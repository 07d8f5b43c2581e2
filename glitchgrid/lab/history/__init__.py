"""Histories: their format, the recorder that writes them, and the merging of several into one."""
