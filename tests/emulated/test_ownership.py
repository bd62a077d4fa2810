"""What is this path's is known by tag, shape and owner mark; whose credentials act is held against the path file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from emulated.ground import Ground
from emulated.hand import Hand
from emulated.inspection import count, region_of
from s3private.cli import main
from s3private.provision.engine import Outcome, Report

VERBS: dict[str, Callable[[Ground], Report]] = {
    "plan": Ground.plan,
    "provision": Ground.provision,
    "destroy": Ground.destroy,
}


def refused_without_a_write(ground: Ground, verb: str) -> str:
    """The reason."""
    mark = ground.emulator.log.mark()
    report = VERBS[verb](ground)
    assert report.outcome is Outcome.REFUSED, report
    assert ground.emulator.log.writes(mark) == []
    return report.message


@pytest.fixture
def path(ground: Ground) -> Ground:
    """A path that is whole."""
    assert ground.provision().outcome is Outcome.SETTLED
    return ground


def without(ground: Ground, *keys: str) -> None:
    lines = ground.file.read_text(encoding="utf-8").splitlines(keepends=True)
    ground.file.write_text("".join(line for line in lines if not line.startswith(keys)), encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_credentials_of_another_account_are_refused_by_every_verb(path: Ground, verb: str) -> None:
    """The role is taken out of the file: the base keys are those of another account, which sees nothing."""
    without(path, "role_arn", "external_id")
    before = count(path.emulator)
    said = refused_without_a_write(path, verb)
    base = path.emulator.world.base_account
    assert said.startswith(f"aws.account_id: the credentials are of account {base} (arn:aws:")
    assert "the path is in 222222222222" in said
    assert count(path.emulator) == before
    assert path.route.exists()


def test_destroy_with_another_accounts_credentials_ends_with_2_and_one_line(
    path: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    without(path, "role_arn", "external_id")
    capsys.readouterr()
    assert main(["destroy", str(path.file), "--confirm", "demo"]) == 2
    out, err = capsys.readouterr()
    assert "nothing of it is left" not in out
    assert err.splitlines()[-1].startswith("s3private: aws.account_id: the credentials are of account ")


@pytest.mark.parametrize("verb", VERBS)
def test_another_region_in_the_file_is_refused_and_the_live_route_stays(path: Ground, verb: str) -> None:
    path.write(region='"eu-west-1"')
    before = count(path.emulator)
    said = refused_without_a_write(path, verb)
    assert "path.region" in said or "aws.subnet_ids" in said
    assert count(path.emulator) == before
    assert path.route.exists()


def test_destroy_that_finds_nothing_where_the_file_says_does_not_call_it_gone(path: Ground) -> None:
    """The Route is on another machine, and the region was edited: not even the subnets are there."""
    path.route.unlink()
    path.write(region='"eu-west-1"')
    assert "nothing of the path was found where the path file says: aws.subnet_ids" in refused_without_a_write(
        path, "destroy"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_another_vpc_in_the_file_is_refused_as_a_wrong_file(path: Ground, verb: str) -> None:
    ec2 = path.hand.ec2
    other = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=other, CidrBlock=f"10.99.{n}.0/24", AvailabilityZone=f"ap-northeast-1{zone}")["Subnet"]
        for n, zone in enumerate("ac")
    ]
    path.write(vpc_id=f'"{other}"', subnet_ids=json.dumps([subnet["SubnetId"] for subnet in subnets]))
    before = count(path.emulator)
    said = refused_without_a_write(path, verb)
    assert f"aws.vpc_id is {other}" in said
    assert count(path.emulator) == before


PYTHON = re.compile(r"\(['\d]|', |\bNone\b|\bTrue\b|\bFalse\b|[A-Z]\w*Error\(|<\w+[. ]|\{'")
"""What a person does not read: Python's own forms of things."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_typo_in_the_vpcs_id_names_the_key_and_sends_nobody_to_delete(built: Ground, verb: str) -> None:
    built.write(vpc_id='"vpc-0123456789abcdef0"')
    said = refused_without_a_write(built, verb)
    others = VERBS[verb](built).conflicts
    built.write()
    assert said.startswith("aws.subnet_ids: subnet-")
    for one in (said, *(change.reason for change in others)):
        assert "and aws.vpc_id is vpc-0123456789abcdef0: mend the " in one
        assert "delete" not in one
        assert not PYTHON.search(one), one


LOST: dict[str, Callable[[Hand], str]] = {
    "security group": lambda hand: str(hand.group["GroupId"]),
    "interface endpoint": lambda hand: str(hand.endpoint["VpcEndpointId"]),
    "endpoint service": lambda hand: hand.service,
    "load balancer": lambda hand: str(hand.balancer["LoadBalancerArn"]),
    "target group": lambda hand: str(hand.target_group["TargetGroupArn"]),
}


def take_tag_off(hand: Hand, resource: str) -> None:
    if resource.startswith("arn:"):
        hand.elbv2.remove_tags(ResourceArns=[resource], TagKeys=["s3private:path"])
    else:
        hand.ec2.delete_tags(Resources=[resource], Tags=[{"Key": "s3private:path"}])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("what", LOST)
def test_a_lost_tag_is_named_with_the_command_that_puts_it_back(path: Ground, verb: str, what: str) -> None:
    hand = Hand(path.hand)
    resource = LOST[what](hand)
    take_tag_off(hand, resource)
    path.forget_clients()
    before = count(path.emulator)
    said = refused_without_a_write(path, verb)
    assert said.startswith(what)
    assert resource in said
    assert "without the tag s3private:path=demo" in said
    assert count(path.emulator) == before


@pytest.mark.parametrize("what", ["interface endpoint", "endpoint service", "load balancer"])
def test_the_command_that_puts_a_tag_back_does(path: Ground, what: str) -> None:
    hand = Hand(path.hand)
    resource = LOST[what](hand)
    take_tag_off(hand, resource)
    path.forget_clients()
    said = refused_without_a_write(path, "plan")
    tags: Any = [{"Key": "s3private:path", "Value": "demo"}]
    if resource.startswith("arn:"):
        assert f"aws elbv2 add-tags --resource-arns {resource} --tags Key=s3private:path,Value=demo" in said
        hand.elbv2.add_tags(ResourceArns=[resource], Tags=tags)
    else:
        assert f"aws ec2 create-tags --resources {resource} --tags Key=s3private:path,Value=demo" in said
        hand.ec2.create_tags(Resources=[resource], Tags=tags)
    path.forget_clients()
    assert path.plan().outcome is Outcome.SETTLED


def tag(ground: Ground, resource: str, **more: str) -> None:
    tags: Any = [{"Key": f"s3private:{key}", "Value": value} for key, value in {"path": "demo", **more}.items()]
    ground.clients.ec2.create_tags(Resources=[resource], Tags=tags)


def kms_endpoint(ground: Ground) -> str:
    hand, config = Hand(ground.hand), ground.config
    made = hand.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=config.vpc_id,
        ServiceName=f"com.amazonaws.{config.region}.sts",
        SubnetIds=list(config.subnet_ids[:1]),
        PrivateDnsEnabled=False,
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def gateway_endpoint(ground: Ground) -> str:
    made = ground.clients.ec2.create_vpc_endpoint(
        VpcEndpointType="Gateway", VpcId=ground.config.vpc_id, ServiceName=f"com.amazonaws.{ground.config.region}.s3"
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def service_over_another_load_balancer(ground: Ground) -> str:
    ec2, elbv2 = ground.clients.ec2, ground.clients.elbv2
    balancer = elbv2.create_load_balancer(
        Name="theirs", Type="network", Scheme="internal", Subnets=list(ground.config.subnet_ids)
    )["LoadBalancers"][0]["LoadBalancerArn"]
    made = ec2.create_vpc_endpoint_service_configuration(AcceptanceRequired=True, NetworkLoadBalancerArns=[balancer])
    return str(made["ServiceConfiguration"]["ServiceId"])


@pytest.mark.parametrize("make", [kms_endpoint, gateway_endpoint, service_over_another_load_balancer])
def test_our_tag_on_what_is_of_another_shape_changes_and_deletes_nothing_of_it(
    path: Ground, make: Callable[[Ground], str]
) -> None:
    theirs = make(path)
    tag(path, theirs)
    for verb in ("plan", "provision"):
        said = refused_without_a_write(path, verb)
        assert theirs in said
        assert f"aws ec2 delete-tags --resources {theirs} --tags Key=s3private:path" in said
    path.destroy()
    ec2 = path.clients.ec2
    endpoints = {
        e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["State"].lower() == "available"
    }
    services = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
    assert {*endpoints, *(s["ServiceId"] for s in services)} == {theirs}


def test_only_what_is_of_another_shape_carries_the_tag(ground: Ground) -> None:
    """Nothing of the path is seen: its own may have lost the tag. Destroy stops, and says so."""
    theirs = kms_endpoint(ground)
    tag(ground, theirs)
    mark = ground.emulator.log.mark()
    assert theirs in refused_without_a_write(ground, "destroy")
    assert ground.emulator.log.writes(mark) == []


def another_endpoint(path: Ground) -> str:
    made = path.clients.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=path.config.vpc_id,
        ServiceName=f"com.amazonaws.{path.config.region}.s3",
        SubnetIds=list(path.config.subnet_ids),
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]["VpcEndpointId"]
    return str(made)


def test_a_second_tagged_endpoint_that_no_run_at_once_made_is_a_conflict_and_stays(path: Ground) -> None:
    """Months lie between them: somebody tagged their own."""
    old = another_endpoint(path)
    tag(path, old)
    region_of(path.emulator).endpoints[old].created -= timedelta(days=90)
    assert old in refused_without_a_write(path, "plan")
    assert old in refused_without_a_write(path, "provision")


def test_another_owners_path_of_the_same_name_is_crossed_by_no_verb(ground: Ground) -> None:
    ground.write(name='"demo"\nowner = "prod"')
    assert ground.provision().outcome is Outcome.SETTLED
    before = count(ground.emulator)
    ground.write(name='"demo"\nowner = "dev/alice@example.com"')
    for verb in VERBS:
        said = refused_without_a_write(ground, verb)
        assert "belongs to the path demo of prod, and this is run as dev/alice@example.com" in said
    without(ground, "owner")
    for verb in VERBS:
        assert "of prod, and this is run as nobody in particular" in refused_without_a_write(ground, verb)
    assert count(ground.emulator) == before


def test_the_owner_can_be_given_on_the_command_line_and_must_be_the_files(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["provision", str(ground.file), "--owner", "prod", "--poll", "0.01"]) == 0
    assert main(["plan", str(ground.file), "--owner", "prod", "--exit-code"]) == 0
    assert main(["destroy", str(ground.file), "--owner", "dev", "--confirm", "demo"]) == 2
    ground.write(name='"demo"\nowner = "prod"')
    capsys.readouterr()
    assert main(["plan", str(ground.file), "--owner", "dev"]) == 2
    assert "--owner: dev is not the path file's path.owner, prod" in capsys.readouterr().err


NO_ROUTE = {"other JSON": '{"a": 1}', "not JSON": "secret\n", "empty": "", "a list": "[]"}


@pytest.mark.parametrize("built", [False, True], ids=["never built", "built"])
@pytest.mark.parametrize("content", NO_ROUTE)
def test_a_file_that_is_no_route_is_neither_overwritten_nor_deleted(ground: Ground, content: str, built: bool) -> None:
    if built:
        assert ground.provision().outcome is Outcome.SETTLED
    ground.route.write_text(NO_ROUTE[content], encoding="utf-8")
    for verb in ("plan", "provision"):
        assert f"{ground.route}" in refused_without_a_write(ground, verb)
    ground.destroy()
    assert ground.route.read_text(encoding="utf-8") == NO_ROUTE[content]


@pytest.mark.parametrize(
    ("field", "value"), [("path", "other"), ("region", "eu-west-1"), ("aws_account_id", "333333333333")]
)
def test_another_paths_route_is_neither_overwritten_nor_deleted(path: Ground, field: str, value: str) -> None:
    document = json.loads(path.route.read_text(encoding="utf-8"))
    document[field] = value
    document["endpoint_url"] = document["endpoint_url"].replace("ap-northeast-1", document["region"])
    text = json.dumps(document)
    path.route.write_text(text, encoding="utf-8")
    assert str(path.route) in refused_without_a_write(path, "provision")
    path.destroy()
    assert path.route.read_text(encoding="utf-8") == text


def test_a_route_of_the_same_path_through_an_endpoint_that_was_made_anew_is_brought_up_to_date(path: Ground) -> None:
    before = path.route.read_text(encoding="utf-8")
    document = json.loads(before)
    old, new = document["vpc_endpoint_id"], "vpce-0123456789abcdef0"
    path.route.write_text(before.replace(old, new), encoding="utf-8")
    assert path.provision().outcome is Outcome.SETTLED
    assert path.route.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("make", [kms_endpoint, service_over_another_load_balancer])
def test_a_lost_tag_beside_our_tag_on_somebody_elses_thing_stops_destroy_before_it_deletes(
    path: Ground, make: Callable[[Ground], str]
) -> None:
    hand = Hand(path.hand)
    own = str(hand.endpoint["VpcEndpointId"]) if make is kms_endpoint else hand.service
    tag(path, make(path))
    take_tag_off(hand, own)
    path.forget_clients()
    before = count(path.emulator)
    refused_without_a_write(path, "destroy")
    assert count(path.emulator) == before


def test_a_rule_whose_service_was_deleted_by_hand_is_not_left_behind(path: Ground) -> None:
    """It is known by the name that it carries, which is that of the path's own endpoint."""
    emulator, hand = path.emulator, Hand(path.hand)
    [rule] = emulator.account.rules()
    service = hand.service
    hand.ec2.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[str(rule.vpc_endpoint_id)])
    hand.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])
    path.destroy()
    assert all(rule.deactivated for rule in emulator.account.rules())


def test_a_second_tagged_endpoint_without_the_paths_name_is_no_double(path: Ground) -> None:
    theirs = another_endpoint(path)
    tag(path, theirs)
    for verb in VERBS:
        assert theirs in refused_without_a_write(path, verb)


def test_a_link_at_the_routes_place_is_left_as_it_is(ground: Ground) -> None:
    for target in (ground.directory / "nowhere", ground.file):
        ground.route.unlink(missing_ok=True)
        ground.route.symlink_to(target)
        for verb in ("plan", "provision"):
            assert "is a link" in refused_without_a_write(ground, verb)
        ground.destroy()
        assert ground.route.is_symlink()
