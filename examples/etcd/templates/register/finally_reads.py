#!/usr/bin/env python3
"""At the end every node is read once more: what was acknowledged is there."""

import sys
import time

from helper_etcd import NODES, Recorder, read

recorder = Recorder()
for node in NODES:
    end_s = time.monotonic() + 30
    while not recorder.call("read", None, lambda node=node: read(node)):
        if time.monotonic() > end_s:
            sys.exit(f"{node} answers nothing")
        time.sleep(0.2)
