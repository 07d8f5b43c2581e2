#!/usr/bin/env python3
"""A client that writes and reads at one control for a few seconds."""

from helper_grid import drive

drive(seconds=4)
