#!/usr/bin/env python3
"""The table is made before anything fails."""

from helper_postgresql import ask

ask("create table elements (value bigint primary key)")
