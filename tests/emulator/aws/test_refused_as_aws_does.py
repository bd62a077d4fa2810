"""What AWS refuses before it makes anything: clocks that are wrong, VPCs of others, policies that say half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import botocore.compat
import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, policy


def code(call: Any, **asked: Any) -> str | None:
    try:
        call(**asked)
    except ClientError as refused:
        return code_of(refused)
    return None


@pytest.mark.parametrize(
    ("minutes", "ec2", "sts", "s3"),
    [
        (4, None, None, None),
        (-6, "RequestExpired", "SignatureDoesNotMatch", None),
        (6, "RequestExpired", "SignatureDoesNotMatch", None),
        (16, "RequestExpired", "SignatureDoesNotMatch", "RequestTimeTooSkewed"),
    ],
)
def test_a_clock_that_is_wrong_is_refused_by_each_service(
    aws: Site, monkeypatch: pytest.MonkeyPatch, minutes: int, ec2: str | None, sts: str | None, s3: str | None
) -> None:
    clients = aws.ec2, aws.sts, aws.s3
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: wrong.replace(tzinfo=None))
    assert code(clients[0].describe_vpcs) == ec2
    assert code(clients[1].get_caller_identity) == sts
    assert code(clients[2].list_objects_v2, Bucket="sales-records") == s3


def test_a_security_group_is_made_in_a_vpc_of_ones_own(aws: Site) -> None:
    asked = {"GroupName": "g", "Description": "g"}
    assert code(aws.ec2.create_security_group, VpcId="vpc-0123456789abcdef0", **asked) == "InvalidVpcID.NotFound"
    theirs = aws.client("ec2", aws.base_keys)
    assert code(theirs.create_security_group, VpcId=aws.world.vpc.id, **asked) == "InvalidVpcID.NotFound"


WHOLE = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}


@pytest.mark.parametrize("lacking", ["Effect", "Principal", "Action", "Resource"])
def test_an_endpoints_policy_says_who_may_what(aws: Site, lacking: str) -> None:
    half = {name: value for name, value in WHOLE.items() if name != lacking}
    with pytest.raises(ClientError) as refused:
        aws.endpoint(PolicyDocument=policy(WHOLE, half))
    assert code_of(refused.value) == "InvalidPolicyDocument"
    aws.endpoint(PolicyDocument=policy(WHOLE))
