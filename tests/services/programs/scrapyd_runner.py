"""In scrapy's place: says which spiders there are, or crawls, which takes two seconds."""

import sys
import time

command, *arguments = sys.argv[1:]
if command == "list":
    print("spider")
else:
    (job,) = (each.partition("=")[2] for each in arguments if each.startswith("_job="))
    with open("/srv/crawled", "a") as file:
        file.write(f"{job}\n")
    time.sleep(2)
