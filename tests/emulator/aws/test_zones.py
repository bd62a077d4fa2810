"""What AWS takes and refuses when a load balancer's subnets, or what stands over it, change.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/availability-zones.html"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of


def subnet(aws: Site, cidr: str, zone: str) -> str:
    made = aws.ec2.create_subnet(VpcId=aws.world.vpc.id, CidrBlock=cidr, AvailabilityZone=zone)
    return str(made["Subnet"]["SubnetId"])


def refusal(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return code_of(refused.value)


def subnets_of(aws: Site, balancer: str) -> list[str]:
    found = aws.elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0]
    return [zone.get("SubnetId", "") for zone in found["AvailabilityZones"]]


def test_a_subnet_leaves_only_while_no_endpoint_is_connected(aws: Site) -> None:
    balancer = aws.balancer()
    service, name = aws.service(balancer)
    aws.allow(service)
    knocked = aws.knock(name)
    fewer: Any = {"LoadBalancerArn": balancer, "Subnets": aws.subnets[:1]}
    assert refusal(aws.elb.set_subnets, **fewer) == "InvalidConfigurationRequest"
    more = [*aws.subnets, subnet(aws, "10.20.3.0/24", "ap-northeast-1d")]
    aws.elb.set_subnets(LoadBalancerArn=balancer, Subnets=more)
    assert subnets_of(aws, balancer) == more
    aws.ec2.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[knocked])
    aws.elb.set_subnets(**fewer)
    assert subnets_of(aws, balancer) == aws.subnets[:1]


def test_a_subnet_is_not_exchanged_for_another_of_its_zone_in_one_call(aws: Site) -> None:
    balancer, first = aws.balancer(), aws.world.vpc.subnets[0]
    other = subnet(aws, "10.20.3.0/24", first.zone)
    wanted: Any = {"LoadBalancerArn": balancer, "Subnets": [other, aws.subnets[1]]}
    assert refusal(aws.elb.set_subnets, **wanted) == "InvalidConfigurationRequest"
    aws.elb.set_subnets(LoadBalancerArn=balancer, Subnets=aws.subnets[1:])
    aws.elb.set_subnets(**wanted)
    assert subnets_of(aws, balancer) == wanted["Subnets"]


def test_a_subnet_with_fewer_than_eight_free_addresses_is_refused_unless_one_is_named(aws: Site) -> None:
    small = subnet(aws, "10.20.3.0/28", "ap-northeast-1d")
    for _ in range(4):  # eleven of a /28 are usable
        aws.ec2.create_network_interface(SubnetId=small)
    assert refusal(aws.balancer, Subnets=[aws.subnets[0], small]) == "InvalidSubnet"
    balancer = aws.balancer()
    assert refusal(aws.elb.set_subnets, LoadBalancerArn=balancer, Subnets=[*aws.subnets, small]) == "InvalidSubnet"
    mappings: Any = [{"SubnetId": one} for one in aws.subnets]
    mappings.append({"SubnetId": small, "PrivateIPv4Address": "10.20.3.14"})
    aws.elb.set_subnets(LoadBalancerArn=balancer, SubnetMappings=mappings)
    assert subnets_of(aws, balancer) == [*aws.subnets, small]


def test_one_target_group_is_behind_one_load_balancer(aws: Site) -> None:
    group, other = aws.target_group(), aws.target_group("other")
    aws.listener(aws.balancer(), group)
    second = aws.balancer("second")
    action: Any = [{"Type": "forward", "TargetGroupArn": group}]
    asked: Any = {"LoadBalancerArn": second, "Protocol": "TCP", "Port": 443, "DefaultActions": action}
    assert refusal(aws.elb.create_listener, **asked) == "TargetGroupAssociationLimit"
    listener = aws.listener(second, other)
    changed = refusal(aws.elb.modify_listener, ListenerArn=listener, DefaultActions=action)
    assert changed == "TargetGroupAssociationLimit"


def test_a_service_stays_in_its_zones_until_its_load_balancer_is_associated_anew(aws: Site) -> None:
    balancer = aws.balancer()
    service, _ = aws.service(balancer)

    def zones() -> list[str]:
        found = aws.ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service])["ServiceConfigurations"]
        return list(found[0]["AvailabilityZones"])

    before = zones()
    aws.elb.set_subnets(
        LoadBalancerArn=balancer, Subnets=[*aws.subnets, subnet(aws, "10.20.3.0/24", "ap-northeast-1d")]
    )
    assert zones() == before == [one.zone for one in aws.world.vpc.subnets]
    again = aws.balancer("again", Subnets=subnets_of(aws, balancer))
    aws.ec2.modify_vpc_endpoint_service_configuration(ServiceId=service, AddNetworkLoadBalancerArns=[again])
    assert zones() == [*before, "ap-northeast-1d"]
