#!/usr/bin/env python3
"""A client that adds elements for a few seconds, each another one."""

from helper_redis import drive

drive(seconds=3)
