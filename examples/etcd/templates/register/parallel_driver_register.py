#!/usr/bin/env python3
"""A client that writes and reads for a few seconds."""

from helper_etcd import drive

drive(seconds=3)
