#!/usr/bin/env python3
"""The table is made before anything fails. A server that listens already may be starting up still."""

import time

from helper_postgresql import ask

PATIENCE_S = 60

end_s = time.monotonic() + PATIENCE_S
while True:
    try:
        ask("create table if not exists elements (value bigint primary key)")
        break
    except OSError:
        if time.monotonic() > end_s:
            raise
        time.sleep(0.2)
