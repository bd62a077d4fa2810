"""S3, in public and through an interface endpoint.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, policy, served, status_of

BUCKET = "sales-records"


def keys_of(answer: Any) -> list[str]:
    return [o["Key"] for o in answer.get("Contents", [])]


def test_path_style_lists_and_reads(aws: Site) -> None:
    assert keys_of(aws.s3.list_objects_v2(Bucket=BUCKET)) == sorted(aws.world.buckets[BUCKET])
    for key, value in aws.world.buckets[BUCKET].items():
        assert aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == value


def with_host(aws: Site, host: str, endpoint: str | None = None, *, style: str = "path") -> Any:
    """A client that signs for a host name and sends to our port, as a name that resolves here would."""
    url = aws.url
    if endpoint is not None:
        url = aws.extras["stack"].enter_context(served(aws.aws.endpoint_app(endpoint)))
    client = aws.client("s3", url=f"http://{host}", s3={"addressing_style": style})

    def send(request: Any, **_: Any) -> None:
        name, rest = request.url.removeprefix("http://").split("/", 1)
        request.headers["Host"] = name
        request.url = f"{url}/{rest}"

    client.meta.events.register("before-send.s3", send)
    return client


def endpoint_host(aws: Site, endpoint: str) -> str:
    entry = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["DnsEntries"][0]
    return entry["DnsName"].replace("*.", "bucket.")


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("host", ["s3.ap-northeast-1.amazonaws.com", "s3.dualstack.ap-northeast-1.amazonaws.com"])
def test_both_styles_reach_the_public_s3(aws: Site, host: str, style: str) -> None:
    client = with_host(aws, host, style=style)
    assert keys_of(client.list_objects_v2(Bucket=BUCKET, Prefix="2026/01/")) == ["2026/01/orders.csv"]
    assert client.get_object(Bucket=BUCKET, Key="readme.txt")["Body"].read().startswith(b"Sales")


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_the_endpoints_host_is_the_endpoint_and_not_a_bucket(aws: Site, style: str) -> None:
    endpoint = aws.endpoint(aws.group())
    client = with_host(aws, endpoint_host(aws, endpoint), endpoint, style=style)
    assert keys_of(client.list_objects_v2(Bucket=BUCKET)) == sorted(aws.world.buckets[BUCKET])
    assert client.get_object(Bucket=BUCKET, Key="2026/02/orders.csv")["Body"].read() == b"id,amount\n3,75\n"


def test_one_host_serves_every_bucket(aws: Site) -> None:
    endpoint = aws.endpoint(aws.group())
    client = with_host(aws, endpoint_host(aws, endpoint), endpoint)
    assert {b["Name"] for b in client.list_buckets()["Buckets"]} == set(aws.world.buckets)
    for bucket, objects in aws.world.buckets.items():
        assert keys_of(client.list_objects_v2(Bucket=bucket)) == sorted(objects)


def test_the_endpoints_host_on_the_public_s3_is_not_known(aws: Site) -> None:
    client = with_host(aws, endpoint_host(aws, aws.endpoint(aws.group())))
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=BUCKET)
    assert status_of(refused.value) == 501
    assert aws.log.unknown()


def test_an_unsigned_request_is_denied(aws: Site) -> None:
    client = aws.client("s3", signature_version=UNSIGNED)
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=BUCKET)
    assert (code_of(refused.value), status_of(refused.value)) == ("AccessDenied", 403)


def test_signed_for_another_region_it_names_the_right_one(aws: Site) -> None:
    client = aws.client("s3", region_name="us-east-1", signature_version="s3v4")
    client.meta.events.register_first("needs-retry.s3.*", lambda **_: False)
    answers: list[Any] = []
    client.meta.events.register("after-call.s3.HeadBucket", lambda http_response, **_: answers.append(http_response))
    with pytest.raises(ClientError):
        client.head_bucket(Bucket=BUCKET)
    assert answers[0].status_code == 400
    assert answers[0].headers["x-amz-bucket-region"] == aws.world.region
    request = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "readme.txt"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as answer:
        body = answer.read().decode()
    assert answer.code == 400
    assert "<Code>AuthorizationHeaderMalformed</Code>" in body
    assert f"<Region>{aws.world.region}</Region>" in body


def test_botocore_finds_the_right_region_by_itself(aws: Site) -> None:
    client = aws.client("s3", region_name="us-east-1", retries={"total_max_attempts": 3})
    assert len(keys_of(client.list_objects_v2(Bucket=BUCKET))) == 3


def test_a_bucket_of_another_region_is_redirected(aws: Site) -> None:
    client = with_host(aws, "s3.us-east-1.amazonaws.com")
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=BUCKET)
    assert (code_of(refused.value), status_of(refused.value)) == ("PermanentRedirect", 301)


def test_an_endpoint_policy_lets_through_what_it_names(aws: Site) -> None:
    endpoint = aws.endpoint(
        aws.group(),
        PolicyDocument=policy(
            {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
            {"Effect": "Allow", "Principal": "*", "Action": "s3:Get*", "Resource": f"arn:aws:s3:::{BUCKET}/2026/*"},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/2026/02/*"},
        ),
    )
    through = aws.through(endpoint)
    assert len(keys_of(through.list_objects_v2(Bucket=BUCKET))) == 3
    assert through.get_object(Bucket=BUCKET, Key="2026/01/orders.csv")["Body"].read()
    refused_calls: list[tuple[str, dict[str, Any]]] = [
        ("get_object", {"Bucket": BUCKET, "Key": "readme.txt"}),
        ("get_object", {"Bucket": BUCKET, "Key": "2026/02/orders.csv"}),
        ("put_object", {"Bucket": BUCKET, "Key": "2026/01/new.csv", "Body": b"x"}),
        ("list_objects_v2", {"Bucket": "hr-records"}),
        ("get_object", {"Bucket": "hr-records", "Key": "people.csv"}),
        ("list_buckets", {}),
    ]
    for call, asked in refused_calls:
        with pytest.raises(ClientError) as refused:
            getattr(through, call)(**asked)
        assert (code_of(refused.value), status_of(refused.value)) == ("AccessDenied", 403), (call, asked)
        if call != "put_object":
            getattr(aws.s3, call)(**asked)


def test_a_changed_endpoint_policy_holds_at_once(aws: Site) -> None:
    endpoint = aws.endpoint(aws.group())
    through = aws.through(endpoint)
    through.list_objects_v2(Bucket=BUCKET)
    nothing = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::other"})
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=nothing)
    with pytest.raises(ClientError):
        through.list_objects_v2(Bucket=BUCKET)


def only_through(endpoint: str, operator: str = "StringNotEquals") -> str:
    return policy(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:ListBucket", "s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            "Condition": {operator: {"aws:SourceVpce": endpoint}},
        }
    )


def test_a_bucket_policy_can_demand_the_endpoint(aws: Site) -> None:
    ours, other = aws.endpoint(aws.group()), aws.endpoint()
    aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=only_through(ours))
    assert len(keys_of(aws.through(ours).list_objects_v2(Bucket=BUCKET))) == 3
    for client in (aws.s3, aws.through(other)):
        asked: dict[str, dict[str, str]] = {"list_objects_v2": {}, "get_object": {"Key": "readme.txt"}}
        for call, more in asked.items():
            with pytest.raises(ClientError) as refused:
                getattr(client, call)(Bucket=BUCKET, **more)
            assert (code_of(refused.value), status_of(refused.value)) == ("AccessDenied", 403)


def test_a_bucket_policy_can_refuse_the_endpoint(aws: Site) -> None:
    ours = aws.endpoint(aws.group())
    aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=only_through(ours, "StringEquals"))
    aws.s3.list_objects_v2(Bucket=BUCKET)
    with pytest.raises(ClientError):
        aws.through(ours).list_objects_v2(Bucket=BUCKET)


def test_another_account_needs_the_buckets_leave(aws: Site) -> None:
    base = aws.client("s3", aws.base_keys)
    with pytest.raises(ClientError) as refused:
        base.list_objects_v2(Bucket=BUCKET)
    assert code_of(refused.value) == "AccessDenied"
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{aws.world.base_account}:root"},
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{BUCKET}",
    }
    aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(allowed))
    assert len(keys_of(base.list_objects_v2(Bucket=BUCKET))) == 3


def test_a_condition_that_is_not_known_is_not_passed_over(aws: Site) -> None:
    document = json.loads(only_through("vpce-0", "NumericLessThan"))
    aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))
    with pytest.raises(ClientError) as refused:
        aws.s3.list_objects_v2(Bucket=BUCKET)
    assert status_of(refused.value) == 501


def test_an_endpoint_that_is_gone_serves_nobody(aws: Site) -> None:
    endpoint = aws.endpoint(aws.group())
    through = aws.through(endpoint)
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    with pytest.raises(ClientError) as refused:
        through.list_objects_v2(Bucket=BUCKET)
    assert status_of(refused.value) == 503


def test_lists_are_paged_in_the_order_of_keys(aws: Site) -> None:
    first = aws.s3.list_objects_v2(Bucket=BUCKET, MaxKeys=2)
    assert (first["IsTruncated"], first["KeyCount"], keys_of(first)) == (
        True,
        2,
        ["2026/01/orders.csv", "2026/02/orders.csv"],
    )
    rest = aws.s3.list_objects_v2(Bucket=BUCKET, ContinuationToken=first["NextContinuationToken"])
    assert (rest["IsTruncated"], keys_of(rest)) == (False, ["readme.txt"])
    after = aws.s3.list_objects_v2(Bucket=BUCKET, StartAfter="2026/01/orders.csv")
    assert keys_of(after) == ["2026/02/orders.csv", "readme.txt"]
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 1})
    assert [k for p in pages for k in keys_of(p)] == sorted(aws.world.buckets[BUCKET])


def test_lists_come_in_chunks_and_bodies_with_their_length(aws: Site) -> None:
    client = aws.client("s3")
    listed = client.list_objects_v2(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]
    assert listed["transfer-encoding"] == "chunked"
    assert "content-length" not in listed
    assert client.get_object(Bucket=BUCKET, Key="readme.txt")["ResponseMetadata"]["HTTPHeaders"]["content-length"]


def test_a_delimiter_folds_folders(aws: Site) -> None:
    found = aws.s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert ([p["Prefix"] for p in found["CommonPrefixes"]], keys_of(found)) == (["2026/"], ["readme.txt"])
    assert found["KeyCount"] == 2
    deeper = aws.s3.list_objects_v2(Bucket=BUCKET, Delimiter="/", Prefix="2026/", MaxKeys=1)
    assert [p["Prefix"] for p in deeper["CommonPrefixes"]] == ["2026/01/"]
    assert deeper["IsTruncated"]
    rest = aws.s3.list_objects_v2(
        Bucket=BUCKET, Delimiter="/", Prefix="2026/", ContinuationToken=deeper["NextContinuationToken"]
    )
    assert [p["Prefix"] for p in rest["CommonPrefixes"]] == ["2026/02/"]


@pytest.mark.parametrize(
    "key", ["a b+c.txt", "日本/データ.csv", "per%20cent", "a//b", "tail/", "~x!'()*", "q?x=1&y", "=;:@,"]
)
def test_any_key_can_be_written_listed_and_read(aws: Site, key: str) -> None:
    endpoint = aws.endpoint(aws.group())
    client = with_host(aws, endpoint_host(aws, endpoint), endpoint)
    client.put_object(Bucket=BUCKET, Key=key, Body=b"here")
    assert key in keys_of(client.list_objects_v2(Bucket=BUCKET))
    assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"here"
    assert client.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 4


def test_a_range_is_answered_with_that_part(aws: Site) -> None:
    whole = aws.world.buckets[BUCKET]["readme.txt"]
    for text, part in (("bytes=0-4", whole[:5]), ("bytes=6-", whole[6:]), ("bytes=-5", whole[-5:])):
        got = aws.s3.get_object(Bucket=BUCKET, Key="readme.txt", Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["Body"].read() == part
        start = whole.index(part)
        assert got["ContentRange"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
        assert got["ContentLength"] == len(part)


def test_a_range_beyond_the_end_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.s3.get_object(Bucket=BUCKET, Key="readme.txt", Range="bytes=1000-")
    assert (code_of(refused.value), status_of(refused.value)) == ("InvalidRange", 416)


def test_if_match_holds_the_object_still(aws: Site) -> None:
    etag = aws.s3.head_object(Bucket=BUCKET, Key="readme.txt")["ETag"]
    assert aws.s3.get_object(Bucket=BUCKET, Key="readme.txt", IfMatch=etag, Range="bytes=0-1")["Body"].read() == b"Sa"
    aws.s3.put_object(Bucket=BUCKET, Key="readme.txt", Body=b"another")
    with pytest.raises(ClientError) as refused:
        aws.s3.get_object(Bucket=BUCKET, Key="readme.txt", IfMatch=etag, Range="bytes=0-1")
    assert (code_of(refused.value), status_of(refused.value)) == ("PreconditionFailed", 412)


def test_head_says_what_get_would(aws: Site) -> None:
    head = aws.s3.head_object(Bucket=BUCKET, Key="readme.txt")
    got = aws.s3.get_object(Bucket=BUCKET, Key="readme.txt")
    assert head["ContentLength"] == got["ContentLength"] == len(aws.world.buckets[BUCKET]["readme.txt"])
    assert (head["ETag"], head["LastModified"]) == (got["ETag"], got["LastModified"])
    assert head["AcceptRanges"] == "bytes"


def test_what_is_not_there_is_not_found(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.s3.get_object(Bucket=BUCKET, Key="none")
    assert (code_of(refused.value), status_of(refused.value)) == ("NoSuchKey", 404)
    with pytest.raises(ClientError) as refused:
        aws.s3.list_objects_v2(Bucket="no-such-bucket")
    assert (code_of(refused.value), status_of(refused.value)) == ("NoSuchBucket", 404)
    with pytest.raises(ClientError) as refused:
        aws.s3.head_object(Bucket=BUCKET, Key="none")
    assert status_of(refused.value) == 404


def test_a_presigned_url_works_until_it_is_changed(aws: Site) -> None:
    client = aws.client("s3", signature_version="s3v4")
    url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "readme.txt"})
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.read() == aws.world.buckets[BUCKET]["readme.txt"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("readme.txt", "2026/01/orders.csv"), timeout=5)
    with refused.value:
        assert refused.value.code == 403


def test_head_bucket_names_its_region(aws: Site) -> None:
    assert aws.s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == aws.world.region
    location = aws.s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"]
    assert location == aws.world.region


def test_many_objects_are_deleted_at_once(aws: Site) -> None:
    aws.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in aws.world.buckets[BUCKET]]})
    assert keys_of(aws.s3.list_objects_v2(Bucket=BUCKET)) == []
