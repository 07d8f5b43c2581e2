"""In scrapy's place: it says which spiders there are. None is ever run."""

import sys

if sys.argv[1:2] == ["list"]:
    print("element")
