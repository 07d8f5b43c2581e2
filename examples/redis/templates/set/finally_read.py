#!/usr/bin/env python3
"""At the end the set is read: whatever was acknowledged should be in it."""

import sys
import time

from helper_redis import Recorder

recorder = Recorder()
end_s = time.monotonic() + 30
while not recorder.read():
    if time.monotonic() > end_s:
        sys.exit("the primary answers nothing")
    time.sleep(0.2)
