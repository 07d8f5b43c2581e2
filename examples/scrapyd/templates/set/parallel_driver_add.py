#!/usr/bin/env python3
"""A client that queues jobs for a few seconds, each another one."""

from helper_scrapyd import drive

drive(seconds=3)
