"""The whole AWS side of a path, built by real clients."""

from __future__ import annotations

from emulator.aws.site import Site
from s3private_emulator.aws import Passage


def test_a_path_built_as_it_should_be_carries_bytes_to_its_endpoint(aws: Site) -> None:
    made = aws.path()
    knocked = aws.knock(made["service_name"])
    found = aws.ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "service-id", "Values": [made["service"]]}])
    assert [c["VpcEndpointState"] for c in found["VpcEndpointConnections"]] == ["pendingAcceptance"]
    answer = aws.ec2.accept_vpc_endpoint_connections(ServiceId=made["service"], VpcEndpointIds=[knocked])
    assert answer["Unsuccessful"] == []
    assert aws.health(made["targets"]) == [("healthy", None), ("healthy", None)]
    hop = aws.aws.hop(made["service_name"])
    assert (hop.passage, hop.vpc_endpoint_id) == (Passage.OPEN, made["endpoint"])
    s3 = aws.through(made["endpoint"])
    listed = s3.list_objects_v2(Bucket="sales-records")
    assert [o["Key"] for o in listed["Contents"]] == sorted(aws.world.buckets["sales-records"])
    body = s3.get_object(Bucket="sales-records", Key="readme.txt")["Body"].read()
    assert body == aws.world.buckets["sales-records"]["readme.txt"]
    assert not aws.log.unknown()
