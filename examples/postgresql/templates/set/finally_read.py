#!/usr/bin/env python3
"""At the end the table is read: whatever was committed should be in it."""

import sys
import time

from helper_postgresql import Recorder

recorder = Recorder()
end_s = time.monotonic() + 60
while said := recorder.read():
    if time.monotonic() > end_s:
        sys.exit(f"the table can't be read: {said}")
    time.sleep(0.5)
