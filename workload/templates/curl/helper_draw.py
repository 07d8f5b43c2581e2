#!/usr/bin/env python3
"""``helper_draw.py A B``: a whole number from A to B by the SDK's randomness, for scripts that are not in Python."""

import sys

from antithesis.random import AntithesisRandom

if __name__ == "__main__":
    print(AntithesisRandom().randint(int(sys.argv[1]), int(sys.argv[2])))
