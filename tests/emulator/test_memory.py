"""What the clouds know is kept while they are asked for more: nobody's request fails for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from s3private_emulator.emulator import Emulator

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MEBIBYTE = 1024 * 1024


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(state=tmp_path) as emulator:
        yield emulator
        assert [request.operation for request in emulator.log.unknown()] == []


def s3_of(emulator: Emulator) -> S3Client:
    world = emulator.world
    keys = emulator.aws.session(world.administrator_role_arn, "test")
    return boto3.client(
        "s3",
        region_name=world.region,
        endpoint_url=emulator.aws_url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20, s3={"addressing_style": "path"}),
    )


def test_a_large_upload_in_parts_ends_beside_other_requests(kept: Emulator, tmp_path: Path) -> None:
    s3 = s3_of(kept)
    file = tmp_path / "large"
    with file.open("wb") as out:
        out.truncate(16 * MEBIBYTE)
    with ThreadPoolExecutor(4) as pool:
        config = TransferConfig(multipart_chunksize=5 * MEBIBYTE, max_concurrency=4)
        upload = pool.submit(s3.upload_file, str(file), "sales-records", "large", Config=config)
        for number in range(8):
            pool.submit(s3.put_object, Bucket="sales-records", Key=f"o/{number}", Body=b"x")
            kept.aws.session(kept.world.role_arn, f"other-{number}")
        upload.result()
    assert s3.list_objects_v2(Bucket="sales-records", Prefix="o/")["KeyCount"] == 8
    assert s3.head_object(Bucket="sales-records", Key="large")["ContentLength"] == 16 * MEBIBYTE
