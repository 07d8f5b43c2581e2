"""``python -m glitchgrid.healthcheck``: is the server in this container live?

For images without curl: the standard library alone, one request, one second and a half. The address is that
of ``GLITCHGRID_HEALTH_URL``, by default ``http://127.0.0.1:8000/livez``. Any answer but 200 is a no.
"""

import os
import sys
import urllib.request

TIMEOUT_S = 1.5


def main() -> int:
    url = os.environ.get("GLITCHGRID_HEALTH_URL", "http://127.0.0.1:8000/livez")
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(url, timeout=TIMEOUT_S) as answer:
            answer.read(100)
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
