#!/usr/bin/env python3
"""A client that adds rows for a few seconds, each another one."""

from helper_postgresql import drive

drive(seconds=3)
