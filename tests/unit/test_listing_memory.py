"""A listing's memory does not grow with the number of keys: a million of them, measured by the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MILLION = """
import boto3
from s3private import Route, connect, list_objects, list_requests
from s3private.pages import parse_page

NUMBER = %d
ROWS = [
    f"-----{n:03d}.json</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{n:032x}&quot;</ETag>"
    f"<Size>{n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    for n in range(1000)
]

class Requests:
    "Answers what was asked last first, which is the worst for order; pages are written and parsed as S3's are."
    def __init__(self, *_, **__): self.asked = []
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def ask(self, tag, ask): self.asked.append((tag, ask))
    def answered(self):
        tag, ask = self.asked.pop()
        after = ask.token or ask.start_after
        # Where a listing was cut, a shortened key.
        first = int(after[1:9].ljust(8, "0")) if after else 0
        first += bool(after) and not f"k{first:08d}.json" > after
        last = min(first + 1000, NUMBER)
        rows = "".join("<Contents><Key>k" + f"{n // 1000:05d}" + ROWS[n %% 1000][5:] for n in range(first, last))
        token = f"<NextContinuationToken>k{last - 1:08d}.json</NextContinuationToken>" if last < NUMBER else ""
        head = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>' + token
        more = "true" if token else "false"
        page = parse_page(
            f"{head}<EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{rows}</ListBucketResult>".encode()
        )
        return [(tag, page)]

def peak(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
def now(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

list_requests.list_requests = Requests
route = Route(path="demo", region="eu-west-1", endpoint_url="https://localhost:1",
              vpc_endpoint_id="vpce-1", buckets=("b",))
listing = list_objects(connect(route, session=boto3.Session("A", "s")), "s3://b/")
next(listing)
open("/proc/self/clear_refs", "w").write("5")
before, count, last = now(), 1, ""
for entry in listing:
    assert entry.key > last
    last, count = entry.key, count + 1
print(count, (peak() - before) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is Linux's own")
def test_a_million_keys_in_order_pass_through_less_than_30_mib() -> None:
    keys = 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", MILLION % keys],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    count, mebibytes = done.stdout.split()
    print(f"peak {mebibytes} MiB")
    assert int(count) == keys
    assert float(mebibytes) < 30
