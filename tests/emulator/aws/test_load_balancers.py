"""Network load balancers.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, where
from s3private_emulator.delays import Takes

FLAG = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"


def described(aws: Site, balancer: str) -> dict[str, Any]:
    return dict(aws.elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0])


def interfaces(aws: Site) -> list[Any]:
    return list(aws.ec2.describe_network_interfaces()["NetworkInterfaces"])


def test_a_load_balancer_is_provisioning_before_it_is_active(aws: Site) -> None:
    aws.takes(Takes.LOAD_BALANCER_ACTIVE, polls=1)
    balancer = aws.balancer()
    assert [described(aws, balancer)["State"]["Code"] for _ in range(2)] == ["provisioning", "active"]


def test_its_arn_says_net(aws: Site) -> None:
    region, account = aws.world.region, aws.world.data_account
    stem = f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/s3private-demo/"
    balancer = aws.balancer()
    assert re.fullmatch(re.escape(stem) + "[0-9a-f]{16}", balancer)
    listener = aws.listener(balancer, aws.target_group())
    assert f":listener/net/s3private-demo/{balancer.rsplit('/')[-1]}/" in listener


def test_it_is_described_as_it_was_made(aws: Site) -> None:
    found = described(aws, aws.balancer())
    assert (found["Type"], found["Scheme"], found["VpcId"]) == ("network", "internal", aws.world.vpc.id)
    zones = {(z["SubnetId"], z["ZoneName"]) for z in found["AvailabilityZones"]}
    assert zones == {(s.id, s.zone) for s in aws.world.vpc.subnets}
    assert "SecurityGroups" not in found
    assert FLAG not in found


def test_it_faces_the_internet_unless_told_otherwise(aws: Site) -> None:
    made = aws.elb.create_load_balancer(Name="open", Type="network", Subnets=aws.subnets)["LoadBalancers"][0]
    assert made["Scheme"] == "internet-facing"


def test_its_nodes_are_seen_as_interfaces_inside_its_subnets(aws: Site) -> None:
    group = aws.group()
    balancer = aws.balancer(SecurityGroups=[group])
    description = "ELB " + balancer.split(":loadbalancer/")[1]
    found = aws.ec2.describe_network_interfaces(Filters=where("description", description))["NetworkInterfaces"]
    cidrs = {s.id: ipaddress.ip_network(s.cidr) for s in aws.world.vpc.subnets}
    assert {i["SubnetId"] for i in found} == set(cidrs)
    for interface in found:
        assert ipaddress.ip_address(interface["PrivateIpAddress"]) in cidrs[interface["SubnetId"]]
        assert interface["RequesterManaged"]
        assert interface["InterfaceType"] == "network_load_balancer"
        assert [g["GroupId"] for g in interface["Groups"]] == [group]


def test_without_groups_its_nodes_have_none_either(aws: Site) -> None:
    aws.balancer()
    assert [i["Groups"] for i in interfaces(aws)] == [[], []]


def test_the_same_call_again_returns_the_one_that_is_there(aws: Site) -> None:
    tags = [{"Key": "s3private:path", "Value": "demo"}]
    assert aws.balancer(Tags=tags) == aws.balancer(Tags=tags)
    assert len(aws.elb.describe_load_balancers()["LoadBalancers"]) == 1
    assert len(interfaces(aws)) == 2


@pytest.mark.parametrize(
    "change", [{"Scheme": "internet-facing"}, {"Subnets": 1}, {"Tags": [{"Key": "a", "Value": "b"}]}]
)
def test_the_same_name_with_other_settings_is_refused(aws: Site, change: dict[str, Any]) -> None:
    aws.balancer()
    if "Subnets" in change:
        change = {"Subnets": aws.subnets[:1]}
    with pytest.raises(ClientError) as refused:
        aws.balancer(**change)
    assert code_of(refused.value) == "DuplicateLoadBalancerName"


@pytest.mark.parametrize("name", ["a" * 33, "-a", "a-", "a_b", "internal-a"])
def test_a_name_that_aws_does_not_take_is_refused(aws: Site, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws.balancer(name)
    assert code_of(refused.value) == "ValidationError"


def test_a_name_may_have_32_characters(aws: Site) -> None:
    assert "a" * 32 in aws.balancer("a" * 32)


def test_no_subnet_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.balancer(Subnets=[])
    assert code_of(refused.value) == "ValidationError"


def test_two_subnets_of_one_zone_are_refused(aws: Site) -> None:
    first = aws.world.vpc.subnets[0]
    second = aws.ec2.create_subnet(VpcId=aws.world.vpc.id, CidrBlock="10.20.9.0/24", AvailabilityZone=first.zone)
    with pytest.raises(ClientError) as refused:
        aws.balancer(Subnets=[first.id, second["Subnet"]["SubnetId"]])
    assert code_of(refused.value) == "InvalidConfigurationRequest"


def test_a_subnet_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.balancer(Subnets=["subnet-00000000000000000"])
    assert code_of(refused.value) == "SubnetNotFound"


def test_a_group_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.balancer(SecurityGroups=["sg-00000000000000000"])
    assert code_of(refused.value) == "InvalidSecurityGroup"


def test_with_groups_inbound_rules_hold_for_privatelink_until_switched_off(aws: Site) -> None:
    group = aws.group()
    balancer = aws.balancer(SecurityGroups=[group])
    assert described(aws, balancer)[FLAG] == "on"
    assert described(aws, balancer)["SecurityGroups"] == [group]
    answer = aws.elb.set_security_groups(
        LoadBalancerArn=balancer,
        SecurityGroups=[group],
        EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="off",
    )
    assert (answer["SecurityGroupIds"], str(dict(answer)[FLAG])) == ([group], "off")
    assert described(aws, balancer)[FLAG] == "off"


def test_groups_cannot_come_to_one_made_without(aws: Site) -> None:
    group, balancer = aws.group(), aws.balancer()
    with pytest.raises(ClientError) as refused:
        aws.elb.set_security_groups(LoadBalancerArn=balancer, SecurityGroups=[group])
    assert code_of(refused.value) == "InvalidConfigurationRequest"


def test_groups_can_be_exchanged_where_there_are_some(aws: Site) -> None:
    first, second = aws.group("first"), aws.group("second")
    balancer = aws.balancer(SecurityGroups=[first])
    aws.elb.set_security_groups(LoadBalancerArn=balancer, SecurityGroups=[second])
    assert described(aws, balancer)["SecurityGroups"] == [second]
    assert {g["GroupId"] for i in interfaces(aws) for g in i["Groups"]} == {second}


def attributes(aws: Site, balancer: str) -> dict[str, str]:
    found = aws.elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    return {a["Key"]: a["Value"] for a in found}


def test_cross_zone_is_off_until_switched_on(aws: Site) -> None:
    balancer, key = aws.balancer(), "load_balancing.cross_zone.enabled"
    assert attributes(aws, balancer)[key] == "false"
    aws.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": key, "Value": "true"}])
    assert attributes(aws, balancer)[key] == "true"


@pytest.mark.parametrize(("key", "value"), [("colour", "red"), ("load_balancing.cross_zone.enabled", "yes")])
def test_an_attribute_that_is_none_is_refused(aws: Site, key: str, value: str) -> None:
    balancer = aws.balancer()
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": key, "Value": value}])
    assert code_of(refused.value) == "ValidationError"


def test_one_that_a_service_stands_on_stays(aws: Site) -> None:
    balancer = aws.balancer()
    service, _ = aws.service(balancer)
    with pytest.raises(ClientError) as refused:
        aws.elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert code_of(refused.value) == "ResourceInUse"
    aws.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])
    aws.elb.delete_load_balancer(LoadBalancerArn=balancer)


def test_one_that_is_protected_stays(aws: Site) -> None:
    balancer = aws.balancer()
    aws.elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}]
    )
    with pytest.raises(ClientError) as refused:
        aws.elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert code_of(refused.value) == "OperationNotPermitted"


def test_deleted_it_is_gone_at_once_and_its_interfaces_later(aws: Site) -> None:
    aws.takes(Takes.LOAD_BALANCER_INTERFACES_RELEASED, polls=2)
    balancer = aws.balancer()
    listener = aws.listener(balancer, aws.target_group())
    aws.elb.delete_load_balancer(LoadBalancerArn=balancer)
    with pytest.raises(ClientError) as refused:
        described(aws, balancer)
    assert code_of(refused.value) == "LoadBalancerNotFound"
    with pytest.raises(ClientError) as refused:
        aws.elb.describe_listeners(ListenerArns=[listener])
    assert code_of(refused.value) == "ListenerNotFound"
    assert [len(interfaces(aws)) for _ in range(3)] == [2, 2, 0]


def test_deleting_it_twice_is_no_error(aws: Site) -> None:
    balancer = aws.balancer()
    aws.elb.delete_load_balancer(LoadBalancerArn=balancer)
    aws.elb.delete_load_balancer(LoadBalancerArn=balancer)


def test_a_name_that_is_not_there_is_not_found(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.elb.describe_load_balancers(Names=["none"])
    assert code_of(refused.value) == "LoadBalancerNotFound"


def test_subnets_are_replaced_and_a_kept_node_keeps_its_interface(aws: Site) -> None:
    balancer = aws.balancer(Subnets=aws.subnets[:1])
    before = {i["NetworkInterfaceId"] for i in interfaces(aws)}
    aws.elb.set_subnets(LoadBalancerArn=balancer, Subnets=aws.subnets)
    after = {i["NetworkInterfaceId"] for i in interfaces(aws)}
    assert before < after
    assert len(after) == 2
    assert [z["SubnetId"] for z in described(aws, balancer)["AvailabilityZones"]] == aws.subnets


def test_tags_are_kept_changed_and_found_by_arn(aws: Site) -> None:
    balancer = aws.balancer(Tags=[{"Key": "s3private:path", "Value": "demo"}])
    group = aws.target_group()
    aws.elb.add_tags(ResourceArns=[balancer, group], Tags=[{"Key": "a", "Value": "b"}])
    aws.elb.remove_tags(ResourceArns=[balancer], TagKeys=["s3private:path"])
    found = aws.elb.describe_tags(ResourceArns=[balancer, group])["TagDescriptions"]
    assert {d["ResourceArn"]: d["Tags"] for d in found} == {
        arn: [{"Key": "a", "Value": "b"}] for arn in (balancer, group)
    }


def test_tags_of_what_is_not_there_are_not_found(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.elb.describe_tags(ResourceArns=[aws.balancer() + "0"])
    assert code_of(refused.value) == "LoadBalancerNotFound"
