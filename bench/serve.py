"""`python -m bench.serve 0ms 10ms 20ms/100`: the server in the foreground, for measuring by hand.

Keys say their size (`one/1073741824.bin`), buckets what they list (`flat-200000`, `tree-200000-200`).
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from bench.serving import serving


def main() -> None:
    ports = sys.argv[1:] or ["0ms", "10ms", "20ms"]
    with serving(ports) as places:
        for terms, place in zip(ports, places, strict=True):
            print(f"{terms}: {place.url}")
        keys = "AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench AWS_EC2_METADATA_DISABLED=true"
        print(f"export AWS_CA_BUNDLE={places[0].ca} {keys}")
        print("buckets flat-<keys> and tree-<keys>-<prefixes>; keys <any>-<bytes>.bin; /-/counts?reset. Ends with ^C.")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
