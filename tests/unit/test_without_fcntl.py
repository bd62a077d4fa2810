"""The notebook half where the system has no `fcntl`, as on Windows: imported, listed, read and downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from origin.server import Origin

PROGRAM = """
import sys
import boto3, concurrent.futures, subprocess, tempfile, asyncio  # what looks at the platform when it is imported
boto3.Session().client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
sys.modules["fcntl"] = None
sys.platform = "win32"
import s3private
s3 = s3private.connect(sys.argv[1])
entries = list(s3private.list_objects(s3, "s3://b/"))
assert [entry.key for entry in entries] == ["large", "small"], entries
assert s3private.read_object(s3, entries[1]).body == b"body"
s3private.download(s3, entries[0], sys.argv[2])
assert "fcntl" not in [name for name, module in sys.modules.items() if module is not None]
print("all")
"""


def test_it_works_without_the_module(origin: Origin, tmp_path: Path) -> None:
    large = os.urandom(20 << 20)
    origin.put("b", "large", large)
    origin.put("b", "small", b"body")
    route = tmp_path / "demo.route.json"
    origin.route().save(route)
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
    ca = {name: value for name, value in os.environ.items() if name == "AWS_CA_BUNDLE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(route), str(tmp_path / "got")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **keys, **ca},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all\n"
    assert (tmp_path / "got").read_bytes() == large
