"""Wherever a download is killed, and whatever happens to what it left: right bytes, or an error of ours.

`make test-downloads` runs 300 cases. A case is its seed: it is printed, and S3PRIVATE_DOWNLOAD_SEED=<seed> runs that
one alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import boto3
import pytest

from origin.server import Origin, crc32
from s3private import S3PrivateError, connect, download, download_prefix
from s3private.downloading import Downloaded

CASES = int(os.environ.get("S3PRIVATE_DOWNLOAD_CASES", "16"))
ONE = os.environ.get("S3PRIVATE_DOWNLOAD_SEED")
PART = 1 << 14
LONGEST_RUN = 4000
"""Steps within the package, calls of C and returns included, which a whole download takes about as many of."""

MOST_CALLS = 900
"""The functions of the package that one calls."""

KILLED = """
import os, signal, sys
from pathlib import Path
import boto3, s3private
from s3private import downloading
downloading.PART = downloading.SMALL = int(sys.argv[4])
s3 = s3private.connect(sys.argv[1], session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
left = int(sys.argv[3])
def look(frame, event, argument):
    global left
    if "s3private" in frame.f_code.co_filename:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(look)
target = Path(sys.argv[2])
if sys.argv[5] == "one":
    s3private.download(s3, "s3://b/p/big", target / "big")
else:
    s3private.download_prefix(s3, "s3://b/p/", target)
"""


class Interrupted(KeyboardInterrupt):
    """At the moment that was drawn, as Ctrl-C is: between two steps of the main thread."""


class Case:
    """One draw: two or three runs, each ended somewhere, and what happens between them."""

    def __init__(self, seed: int, origin: Origin, s3: Any, route: Path, directory: Path) -> None:
        self.chance = random.Random(seed)
        self._origin = origin
        self._s3 = s3
        self._route = route
        self._directory = directory
        self._bodies = [self.chance.randbytes(self.chance.randrange(2 * PART, 9 * PART)) for _ in range(3)]
        self._versions: list[bytes] = []
        self._checksums: list[dict[str, str]] = []
        self._store(self._bodies[0])
        origin.put("b", "p/small", b"small")
        self._one = self.chance.random() < 0.6
        self._whole = [self._nothing, self._removed, self._cut, self._zeros, self._planted, self._forged]
        self._whole += [self._replaced, self._shrunk, self._put_back, self._nothing]

    def _store(self, body: bytes) -> None:
        self._versions.append(body)
        checked = crc32(body) if self.chance.random() < 0.7 else {}
        self._checksums.append(checked)
        self._origin.put("b", "p/big", body, **checked)

    # How a run ends

    def _killed(self) -> None:
        at = str(self.chance.randrange(1, LONGEST_RUN))
        kind = "one" if self._one else "all"
        words = [sys.executable, "-c", KILLED, str(self._route), str(self._directory), at, str(PART), kind]
        subprocess.run(words, stderr=subprocess.DEVNULL)

    def _interrupted(self) -> None:
        left = self.chance.randrange(1, MOST_CALLS)

        def look(frame: FrameType, event: str, argument: object) -> None:
            nonlocal left
            # As a signal's handler: where a function begins, and never between a lock's taking and its block.
            if event == "call" and "/s3private/" in frame.f_code.co_filename:
                left -= 1
                if not left:
                    sys.setprofile(None)
                    raise Interrupted

        sys.setprofile(look)
        try:
            self._run()
        except (Interrupted, S3PrivateError):
            pass
        finally:
            sys.setprofile(None)

    # What happens to what it left

    def _hidden(self) -> list[Path]:
        # Not what was planted.
        return sorted(each for each in self._directory.glob(".*") if not each.is_symlink())

    def _nothing(self) -> None:
        """The control."""

    def _removed(self) -> None:
        for each in self._hidden():
            if self.chance.random() < 0.6:
                each.unlink()

    def _cut(self) -> None:
        for each in self._hidden():
            os.truncate(each, self.chance.randrange(each.stat().st_size + 1))

    def _zeros(self) -> None:
        for each in self._hidden():
            if each.stat().st_size > 3:
                at = self.chance.randrange(each.stat().st_size)
                with each.open("r+b") as there:
                    there.seek(at)
                    there.write(bytes(self.chance.randrange(1, each.stat().st_size - at + 1)))

    def _planted(self) -> None:
        outside = self._directory.parent / "outside"
        outside.write_bytes(b"mine")
        for each in [*self._hidden(), self._directory / ".big.s3private", self._directory / ".big.s3private.journal"]:
            kind = self.chance.choice(["link", "file", "leave"])
            if kind != "leave":
                each.unlink(missing_ok=True)
                each.symlink_to(outside) if kind == "link" else each.write_bytes(self.chance.randbytes(99))

    def _forged(self) -> None:
        texts = [b"[]\n", b"{}\n", b"NaN\n", b"[" * 9999, b"0 0\n1 0\n2 0\n", b"7 7\n" * 9999]
        for each in self._hidden():
            if each.suffix == ".journal":
                lines = each.read_bytes().splitlines(keepends=True)
                keep = lines[: self.chance.randrange(len(lines) + 1)]
                each.write_bytes(b"".join([*keep, self.chance.choice(texts)]))

    def _replaced(self) -> None:
        self._store(self._bodies[1])

    def _shrunk(self) -> None:
        self._store(self._versions[-1][: self.chance.choice([0, 5, PART, PART + 1])])

    def _put_back(self) -> None:
        """Small for one run, and large again."""
        self._shrunk()
        self._last()
        self._store(self._bodies[0])

    # What is done

    def _run(self) -> list[Downloaded]:
        if self._one:
            return [download(self._s3, "s3://b/p/big", self._directory / "big", ahead=self.chance.randrange(1, 5))]
        done: list[Downloaded] = []
        download_prefix(self._s3, "s3://b/p/", self._directory, on_file=done.append)
        return [each for each in done if each.uri.endswith("big")]

    def run(self) -> None:
        """Raises AssertionError where a byte is wrong."""
        for _ in range(self.chance.randrange(1, 4)):
            # A child takes a second to begin.
            self._killed() if self.chance.random() < 0.2 else self._interrupted()
            self._look()
            self.chance.choice(self._whole)()
            self._look()
        for _ in range(2):
            self._last()

    def _last(self) -> None:
        two = self.chance.random() < 0.2
        beside: list[BaseException | None] = []
        other = threading.Thread(target=self._beside, args=(beside,))
        if two:
            other.start()
        try:
            for each in self._run():
                body = each.path.read_bytes()
                assert body == self._versions[-1]
                # By what S3 said of the same bytes in this run, or in the one that it goes on with.
                assert not each.verified or crc32(body) in self._checksums
        except S3PrivateError:
            # Another one was under way, and has the file.
            if not two:
                raise
        finally:
            if two:
                other.join()
                assert all(isinstance(error, S3PrivateError | None) for error in beside), beside
        self._look()

    def _beside(self, ended: list[BaseException | None]) -> None:
        """Another worker in the same directory, with a client of its own."""
        s3 = connect(self._route, session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
        try:
            download_prefix(s3, "s3://b/p/", self._directory)
            ended.append(None)
        except (S3PrivateError, OSError) as error:
            ended.append(error)

    def _look(self) -> None:
        """At any moment the file is whole, of one of the versions, or not there; and nothing outside is written to."""
        file, outside = self._directory / "big", self._directory.parent / "outside"
        if file.exists():
            assert file.read_bytes() in self._versions
        assert not outside.exists() or outside.read_bytes() == b"mine"


# Ctrl-C in a destructor is said, not raised, and what it did not close is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("place", ["as usual", "without times and locks"])
def test_right_bytes_or_an_error_of_ours(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("s3private.downloading.PART", PART)
    monkeypatch.setattr("s3private.downloading.SMALL", PART)
    if place != "as usual":

        def refuse(*arguments: object, **more: object) -> None:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(os, "utime", refuse)
        monkeypatch.setattr(fcntl, "flock", refuse)
    first = random.randrange(2**32)
    cases = CASES if place == "as usual" else CASES // 4
    seeds = [int(ONE)] if ONE else range(first, first + cases)
    print(f"seeds {first} to {first + cases - 1}")
    route = tmp_path / "demo.route.json"
    origin.route().save(route)
    s3 = connect(origin.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
    for seed in seeds:
        directory = tmp_path / str(seed) / "dest"
        directory.mkdir(parents=True)
        try:
            Case(seed, origin, s3, route, directory).run()
        except BaseException:
            print("seed", seed)
            raise
