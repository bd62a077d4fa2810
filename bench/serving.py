"""The server that is not the limit: built by Go, started on loopback, ended with the process that started it.

Go comes from PyPI with the benchmark's own environment (`make bench`), or from PATH.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / ".bench"
REGION = "eu-west-1"
# A prime just above 8 MiB: no range or part size falls in step with it, and it stays in the processor's cache.
SPAN = 8_388_617


@dataclass(frozen=True)
class Place:
    """Where a client finds the server: `https://127.0.0.1:<port>`, and the CA file it must trust."""

    url: str
    ca: str


def block() -> bytes:
    """The random bytes that all objects are windows on; the same in every process."""
    return random.Random(0).randbytes(SPAN)


def same_as_stored(found: bytes | bytearray | memoryview, key: str, block: bytes, first: int = 0) -> bool:
    """Whether `found` are the bytes of the object `key` from `first` on, compared one by one."""
    view = memoryview(found)
    at = (int.from_bytes(hashlib.md5(key.encode()).digest()[:8], "big") + first) % len(block)
    seen = 0
    while seen < len(view):
        step = min(len(view) - seen, len(block) - at, 1 << 20)
        if bytes(view[seen : seen + step]) != block[at : at + step]:
            return False
        seen += step
        at = (at + step) % len(block)
    return True


def build() -> Path:
    """The server's program, built anew when its source is newer."""
    program = WORK / "server"
    sources = list((HERE / "server").iterdir())
    if program.exists() and program.stat().st_mtime > max(each.stat().st_mtime for each in sources):
        return program
    go = shutil.which("go", path=str(Path(sys.executable).parent)) or shutil.which("go", path=str(WORK / "peers/bin"))
    go = go or shutil.which("go")
    if go is None:
        sys.exit("bench: the server needs Go 1.21 or later: run `make bench`, which installs it, or put go on PATH")
    WORK.mkdir(exist_ok=True)
    subprocess.run([go, "build", "-o", str(program), "."], cwd=HERE / "server", check=True)
    return program


@contextmanager
def serving(ports: Sequence[str]) -> Iterator[list[Place]]:
    """One Place for each of `ports`: `10ms` is a latency to the first byte, `10ms/100` also 100 MiB/s a connection."""
    import trustme

    program = build()
    authority = trustme.CA()
    certificate = authority.issue_cert(
        "127.0.0.1", "localhost", "bucket.vpce-0bench00000000000-bench.s3.eu-west-1.vpce.amazonaws.com"
    )
    ca, pair, stored = WORK / "ca.pem", WORK / "server.pem", WORK / "block"
    authority.cert_pem.write_to_path(str(ca))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pair))
    stored.write_bytes(block())
    command = [str(program), "-certificate", str(pair), "-block", str(stored)]
    for each in ports:
        command += ["-listen", each]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        numbers = server.stdout.readline().split()
        if len(numbers) != len(ports):
            sys.exit("bench: the server did not start; what it said is above")
        yield [Place(url=f"https://127.0.0.1:{number}", ca=str(ca)) for number in numbers]
        assert server.stdin is not None
        server.stdin.close()
