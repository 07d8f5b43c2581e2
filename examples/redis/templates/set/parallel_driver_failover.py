#!/usr/bin/env python3
"""An operator fails over, and then looks on for a while."""

import time

from helper_redis import fail_over

fail_over()
time.sleep(2)
