"""What a name means, and to whom."""

from __future__ import annotations

import pytest

from emulator.network.ground import BUCKET_NAME, ENDPOINT, ENDPOINT_NAME, REGION, SERVICE, Ground, laid
from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.place import INTERNET, VPC, Place, serverless


def test_a_carried_name_leads_serverless_of_that_workspace_to_the_service_and_no_other(ground: Ground) -> None:
    ground.carried[1] = {BUCKET_NAME: SERVICE}
    assert ground.network.resolve(serverless(1), BUCKET_NAME).via == f"service:{SERVICE}"
    for place in (serverless(2), VPC, INTERNET):
        assert ground.network.resolve(place, BUCKET_NAME).via == f"endpoint:{ENDPOINT}"


def test_a_carried_name_carries_no_name_below_it(ground: Ground) -> None:
    ground.carried[1] = {BUCKET_NAME: SERVICE}
    assert ground.network.resolve(serverless(1), f"sales.{BUCKET_NAME}").via == f"endpoint:{ENDPOINT}"


def test_case_and_the_root_dot_do_not_matter(ground: Ground) -> None:
    ground.carried[1] = {BUCKET_NAME.upper(): SERVICE}
    assert ground.network.resolve(serverless(1), f"{BUCKET_NAME.title()}.").via == f"service:{SERVICE}"


def test_the_pattern_carries_the_names_below_it_and_not_itself(ground: Ground) -> None:
    ground.carried[1] = {f"*.{ENDPOINT_NAME}": SERVICE}
    assert ground.network.resolve(serverless(1), BUCKET_NAME).via == f"service:{SERVICE}"
    assert ground.network.resolve(serverless(1), ENDPOINT_NAME).via == f"endpoint:{ENDPOINT}"


def test_the_pattern_carries_nothing_where_matching_is_exact() -> None:
    with laid(wildcards=False) as ground:
        ground.carried[1] = {f"*.{ENDPOINT_NAME}": SERVICE}
        assert ground.network.resolve(serverless(1), BUCKET_NAME).via == f"endpoint:{ENDPOINT}"


@pytest.mark.parametrize(
    "name",
    [f"s3.{REGION}.amazonaws.com", "sts.amazonaws.com", "accounts.cloud.databricks.com"],
)
def test_public_names_are_public_everywhere(ground: Ground, name: str) -> None:
    for place in (serverless(1), VPC, INTERNET):
        assert ground.network.resolve(place, name).via == "internet"


@pytest.mark.parametrize(
    "name",
    ["example.com", "pypi.org", "notamazonaws.com", "", f"bucket.vpce-9-zzz.s3.{REGION}.vpce.amazonaws.com"],
)
def test_what_is_not_there_does_not_resolve(ground: Ground, name: str) -> None:
    assert ground.network.resolve(serverless(1), name).via == ""


def test_private_addresses_are_reached_from_inside_the_vpc_alone(ground: Ground) -> None:
    assert not ground.network.reach(VPC, f"endpoint:{ENDPOINT}", 443).black_hole
    for place in (serverless(1), INTERNET):
        assert ground.network.reach(place, f"endpoint:{ENDPOINT}", 443).black_hole


def test_a_way_that_swallows_packets_is_a_black_hole_before_anything_answers(ground: Ground) -> None:
    ground.hops[SERVICE] = Hop(passage=Passage.TIMEOUT, reason="the endpoint is gone")
    reached = ground.network.reach(serverless(1), f"service:{SERVICE}", 443)
    assert (reached.black_hole, reached.reason) == (True, "the endpoint is gone")


@pytest.mark.parametrize("port", [22, 80, 444])
def test_nothing_but_443_answers(ground: Ground, port: int) -> None:
    for via in ("internet", f"service:{SERVICE}", f"endpoint:{ENDPOINT}"):
        assert ground.network.reach(VPC, via, port).black_hole


def test_a_workspace_that_is_not_there_is_an_error_and_not_an_empty_answer(ground: Ground) -> None:
    with pytest.raises(KeyError):
        ground.network.resolve(serverless(3), BUCKET_NAME)


def test_a_place_reads_as_it_is_written() -> None:
    for place in (serverless(17), VPC, INTERNET):
        assert Place.parse(str(place)) == place
    for wrong in ("serverless", "serverless:", "serverless:x", "vpc:1", "moon", ""):
        with pytest.raises(ValueError, match="not a place"):
            Place.parse(wrong)
