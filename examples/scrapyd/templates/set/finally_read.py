#!/usr/bin/env python3
"""At the end the queue is read: whatever was taken should be in it."""

import sys
import time

from helper_scrapyd import Recorder

recorder = Recorder()
end_s = time.monotonic() + 60
while said := recorder.read():
    if time.monotonic() > end_s:
        sys.exit(f"the queue can't be read: {said}")
    time.sleep(0.5)
