"""``python -m glitchgrid.healthcheck``: does the server in this container answer?

Control's 500 is an answer: it says that too few vaults are up, and control itself is well.

For images without curl: the standard library alone, one request, one second and a half. The address is that
of ``GLITCHGRID_HEALTH_URL``, by default ``http://127.0.0.1:8000/``.
"""

import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus

TIMEOUT_S = 1.5


def main() -> int:
    url = os.environ.get("GLITCHGRID_HEALTH_URL", "http://127.0.0.1:8000/")
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(url, timeout=TIMEOUT_S) as answer:
            answer.read(100)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.INTERNAL_SERVER_ERROR:
            print(f"{url}: {error}", file=sys.stderr)
            return 1
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
