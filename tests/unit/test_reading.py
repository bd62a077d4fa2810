"""Whatever goes wrong with a body is a ReadError that names the object."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import FlexibleChecksumError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from s3private import ReadError, Route, connect, read_objects

ROUTE = Route(
    path="demo",
    region="eu-west-1",
    endpoint_url="https://bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com",
    vpc_endpoint_id="vpce-1",
    buckets=("b",),
)


class WrongChecksum(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise FlexibleChecksumError(error_msg="Expected checksum AAAA did not match calculated checksum BBBB")


@pytest.fixture
def stub() -> Iterator[tuple[Any, Stubber]]:
    s3 = connect(ROUTE, session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
    with Stubber(s3) as stubber:
        yield s3, stubber


@pytest.mark.parametrize(
    ("raw", "said"),
    [(io.BytesIO(b"on"), "2 read, but total bytes expected is 3"), (WrongChecksum(), "did not match")],
    ids=["cut short, as botocore notices it", "wrong checksum"],
)
def test_a_body_that_botocore_rejects_is_an_error_naming_the_object(
    stub: tuple[Any, Stubber], raw: io.BytesIO, said: str
) -> None:
    s3, stubber = stub
    stubber.add_response("get_object", {"Body": StreamingBody(raw, 3), "ContentLength": 3, "ETag": '"e"'})
    with pytest.raises(ReadError, match=f"s3://b/x: .*{said}"):
        list(read_objects(s3, ["s3://b/x"]))


def test_at_most_workers_objects_are_asked_for_ahead_of_the_reader(stub: tuple[Any, Stubber]) -> None:
    s3, stubber = stub
    taken: list[str] = []
    for _ in range(5):
        stubber.add_response(
            "get_object", {"Body": StreamingBody(io.BytesIO(b"one"), 3), "ContentLength": 3, "ETag": "e"}
        )

    def uris() -> Iterator[str]:
        for number in range(5):
            taken.append(f"s3://b/{number}")
            yield taken[-1]

    reading = read_objects(s3, uris(), workers=2)
    assert next(reading).uri == "s3://b/0"
    assert len(taken) == 2
    assert [read.uri for read in reading] == [f"s3://b/{number}" for number in range(1, 5)]
