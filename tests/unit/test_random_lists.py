"""Random buckets, listed in every way, with pages of nothing and answers that are none: all keys, or one error of ours.

A case is its seed: it is printed, and S3PRIVATE_LIST_SEED=<seed> runs that one alone. `make test-lists` runs 3,000.
"""

from __future__ import annotations

import os
import random
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from origin.lists import Lists, Version
from origin.server import Request
from s3private import ReadError, connect, list_objects, list_versions
from unit.bucket import Bucket

CASES = int(os.environ.get("S3PRIVATE_LIST_CASES", "40"))
ONE = os.environ.get("S3PRIVATE_LIST_SEED")
PIECES = (
    *"abz019/.~-_*?[]!'()&<>\"\\%+ =:;,@#$^{}|`",
    *("//", "/", "..", "%2F", "%zz", "é", "日本", "\U0001f600", "\U0010ffff", "\ue000", "\uffff", "\ud7ff"),
    *("\x00", "\x01", "\x7f", "\n", "\r\n", "\t", "\u202e", "\ufeff", "day=", ".csv"),
)
ERROR = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
BAD = ("empty", "HTML", "an error", "half", "another's", "again")


class RandomLists(Lists):
    """Says nothing up to three times before it says what comes next; and at some moments something else altogether."""

    def begin(self, seed: int, chance: random.Random, bucket: Bucket) -> None:
        self.bucket = bucket
        self.versions = []
        self.requests.clear()
        self.sent: list[str] = []
        self.bad: set[str] = set()
        """What was answered wrongly, as text of the parameters."""
        self._seed = seed
        self._nothing = chance.choice((0, 0, 0.1, 0.5))
        self._wrong = chance.choice((0, 0, 0, 0.02, 0.1))
        self.stays = chance.random() < 0.7
        """Whether the same question is answered wrongly again."""
        self.most = 300 + 20 * len(bucket.keys())

    def _list(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if len(self.requests) > self.most:
            return 404, {}, b"<Error><Code>Endless</Code><Message>too many requests</Message></Error>"
        asked = dict(request.parameters)
        token = asked.get("continuation-token")
        passed, after = b64decode(token).decode().split("|", 1) if token else ("0", asked.get("start-after", ""))
        plain = asked | ({"continuation-token": b64encode(after.encode()).decode()} if token and after else {})
        if token and not after:
            del plain["continuation-token"]
        status, fields, raw = super()._list(request._replace(parameters=plain))
        page = raw.decode()
        if "versions" not in asked:
            page = re.sub("(<NextContinuationToken>)(.*)(</NextContinuationToken>)", self._renamed, page)
            page = re.sub("<ContinuationToken>.*</ContinuationToken>", "", page)
            if token:
                page = page.replace("<KeyCount>", f"<ContinuationToken>{token}</ContinuationToken><KeyCount>")
            place = random.Random(f"{self._seed} {sorted(asked.items())}")
            if place.random() < self._nothing and int(passed) < 3:
                page = self._nothing_yet(page, f"{int(passed) + 1}|{after}")
        return status, fields, self._wrongly(repr(sorted(asked.items())), page).encode()

    def _renamed(self, found: re.Match[str]) -> str:
        return found[1] + _token(f"0|{b64decode(found[2]).decode()}") + found[3]

    def _nothing_yet(self, page: str, token: str) -> str:
        page = re.sub("<(Contents|CommonPrefixes)>.*</\\1>", "", page, flags=re.DOTALL)
        page = re.sub("<NextContinuationToken>.*</NextContinuationToken>", "", page)
        page = page.replace("<IsTruncated>false", "<IsTruncated>true")
        return page.replace("<KeyCount>", f"<NextContinuationToken>{_token(token)}</NextContinuationToken><KeyCount>")

    def _wrongly(self, asked: str, page: str) -> str:
        place = random.Random(f"{self._seed} wrong {asked}")
        kind = place.choice(BAD) if place.random() < self._wrong else None
        with self.lock:
            wrong = kind is not None and (self.stays or asked not in self.bad)
            before = [sent for sent in self.sent if sent != page]
            self.sent.append(page)
            if not wrong or (kind == "again" and not before) or (kind == "another's" and "<Key>" not in page):
                return page
            self.bad.add(asked)
        if kind == "again":
            return place.choice(before)
        foreign = re.sub("<Key>[^<]*</Key>", "<Key></Key>", page, count=1)
        return {
            "empty": "",
            "HTML": "<html><body>502</body></html>",
            "an error": ERROR,
            "half": page[: len(page) // 2],
        }.get(kind or "", foreign)


def _token(text: str) -> str:
    return b64encode(text.encode()).decode()


def keys(chance: random.Random) -> list[str]:
    count = chance.choice((0, 1, 5, 30, 100, 200))
    shape = chance.randrange(6)
    if shape == 0:
        return [f"part-{number:05}.csv" for number in range(count)]
    if shape == 1:
        return [f"t/day={number // 9:03}/part-{number}" for number in range(count)]
    if shape == 2:
        return ["/" * chance.randint(1, 40) + chance.choice(("", "a")) for _ in range(count)]
    if shape == 3:
        return [chance.choice("ab/é") * chance.randint(1, 400) for _ in range(count)]
    pieces = chance.choices(PIECES, k=chance.randint(2, 12))
    return ["".join(chance.choices(pieces, k=chance.randint(1, 12))) for _ in range(count)]


@pytest.fixture(scope="module")
def lists(authority: Any) -> Iterator[RandomLists]:
    with pytest.MonkeyPatch.context() as patch, RandomLists(authority, Bucket([])).serving() as serving:
        patch.setenv("AWS_CA_BUNDLE", str(authority.file))
        assert isinstance(serving, RandomLists)
        yield serving


def test_a_random_bucket_is_listed_as_it_is_or_there_is_an_error(lists: RandomLists) -> None:
    first = random.randrange(2**32)
    clients: list[Any] = [
        connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"), lean=lean)
        for lean in (True, True, True, False)
    ]
    seen: Counter[str] = Counter()
    for seed in [int(ONE)] if ONE else range(first, first + CASES):
        print("seed", seed, flush=True)
        seen[one(seed, lists, clients)] += 1
    print(dict(seen))
    assert ONE or seen["whole"] > CASES / 3


def one(seed: int, lists: RandomLists, clients: list[Any]) -> str:
    chance = random.Random(seed)
    bucket = Bucket(sorted({key for key in keys(chance) if key and len(key.encode()) <= 1024}))
    lists.begin(seed, chance, bucket)
    s3 = chance.choice(clients)
    there = bucket.keys()
    prefix = chance.choice(("", "", chance.choice(there)[: chance.randint(0, 6)] if there else "x"))
    page_size = chance.choice((1, 2, 7, 50, 1000)) if len(there) < 60 else chance.choice((7, 50, 1000))
    if chance.random() < 0.15:
        lists.versions = [
            Version(key, f"v{number}", deleted=chance.random() < 0.3)
            for key in there
            for number in range(chance.randint(1, 3), 0, -1)
        ]
        wanted = [f"{v.key} {v.id}" for v in lists.versions if v.key.startswith(prefix)]
        found = (
            f"{v.key} {v.version_id}" for v in list_versions(s3, f"s3://bkt/{prefix}", glob=False, page_size=page_size)
        )
        ordered = True
    else:
        ordered = chance.random() < 0.5
        listing = list_objects(
            s3,
            f"s3://bkt/{prefix}",
            glob=False,
            ordered=ordered,
            page_size=page_size,
            at_once=chance.choice((1, 2, 5, 16)),
        )
        wanted, found = [key for key in there if key.startswith(prefix)], (entry.key for entry in listing)
    came: list[str] = []
    failed: ReadError | None = None
    try:
        for each in found:
            came.append(each)
    except ReadError as error:
        failed = error
    told = f"seed {seed}: {failed}; {sorted(lists.bad)}"
    assert len(lists.requests) <= lists.most, told
    if failed is not None:
        assert str(failed).startswith("s3://bkt/"), told
        assert lists.bad, told
        # What came before the error is right.
        assert (
            (came == wanted[: len(came)]) if ordered else (len(came) == len(set(came)) and set(came) <= set(wanted))
        ), told
        return "an error"
    assert (came if ordered else sorted(came)) == wanted, told
    assert not (lists.bad and lists.stays), told
    return "whole"
