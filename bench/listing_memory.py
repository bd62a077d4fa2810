"""`python -m bench.listing_memory`: the most that a listing of a million keys holds, beyond what was there before."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

from bench.__main__ import environment
from bench.serving import REGION, serving

BUCKETS = ("flat-1000000", "tree-1000000-200", "tree-1000000-50000")

CHILD = """
import sys, time
from s3private import Route, connect, list_objects

def kernel(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024

url, bucket, ordered = sys.argv[1:]
s3 = connect(Route(path="bench", region="%s", endpoint_url=url, vpc_endpoint_id="vpce-0", buckets=(bucket,)))
next(list_objects(s3, f"s3://{bucket}/", limit=1))
open("/proc/self/clear_refs", "w").write("5")
before, began, count = kernel("VmRSS"), time.perf_counter(), 0
for entry in list_objects(s3, f"s3://{bucket}/", ordered=ordered == "ordered"):
    count += 1
print(f"{count:,} keys, {kernel('VmHWM') - before:5.1f} MiB, {time.perf_counter() - began:5.1f} s")
"""


def main() -> None:
    with serving(["20ms"]) as (place,):
        for bucket, order in product(BUCKETS, ("ordered", "as it comes")):
            print(f"{bucket:20} {order:12} ", end="", flush=True)
            subprocess.run(
                [sys.executable, "-c", CHILD % REGION, place.url, bucket, order],
                env=environment() | {"AWS_CA_BUNDLE": place.ca},
                check=True,
            )


if __name__ == "__main__":
    main()
