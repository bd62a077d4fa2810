"""Listeners.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of

IDLE = "tcp.idle_timeout.seconds"


def attributes(aws: Site, listener: str) -> dict[str, str]:
    found = aws.elb.describe_listener_attributes(ListenerArn=listener)["Attributes"]
    return {a["Key"]: a["Value"] for a in found}


def test_a_listener_forwards_to_its_group(aws: Site) -> None:
    balancer, group = aws.balancer(), aws.target_group()
    listener = aws.listener(balancer, group)
    found = aws.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    assert [(x["ListenerArn"], x["Protocol"], x["Port"]) for x in found] == [(listener, "TCP", 443)]
    action = found[0]["DefaultActions"][0]
    assert (str(action["Type"]), action["TargetGroupArn"]) == ("forward", group)
    assert aws.elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]["LoadBalancerArns"] == [balancer]


def test_the_same_call_again_returns_the_one_that_is_there(aws: Site) -> None:
    balancer, group = aws.balancer(), aws.target_group()
    assert aws.listener(balancer, group) == aws.listener(balancer, group)


def test_a_second_one_on_the_port_is_refused(aws: Site) -> None:
    balancer = aws.balancer()
    aws.listener(balancer, aws.target_group("one"))
    with pytest.raises(ClientError) as refused:
        aws.listener(balancer, aws.target_group("two"))
    assert code_of(refused.value) == "DuplicateListener"


def test_one_cannot_move_to_a_port_that_is_taken(aws: Site) -> None:
    balancer, group = aws.balancer(), aws.target_group()
    aws.listener(balancer, group)
    other = aws.listener(balancer, group, port=8443)
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_listener(ListenerArn=other, Port=443)
    assert code_of(refused.value) == "DuplicateListener"


def test_its_group_is_changed_in_place(aws: Site) -> None:
    balancer, second = aws.balancer(), aws.target_group("two")
    listener = aws.listener(balancer, aws.target_group("one"))
    aws.elb.modify_listener(ListenerArn=listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": second}])
    found = aws.elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]
    assert found["DefaultActions"][0]["TargetGroupArn"] == second


def test_an_idle_connection_lives_350_seconds_until_changed(aws: Site) -> None:
    listener = aws.listener(aws.balancer(), aws.target_group())
    assert attributes(aws, listener)[IDLE] == "350"
    for value in ("60", "6000"):
        aws.elb.modify_listener_attributes(ListenerArn=listener, Attributes=[{"Key": IDLE, "Value": value}])
        assert attributes(aws, listener)[IDLE] == value


@pytest.mark.parametrize("value", ["59", "6001", "soon"])
def test_an_idle_timeout_outside_60_to_6000_is_refused(aws: Site, value: str) -> None:
    listener = aws.listener(aws.balancer(), aws.target_group())
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_listener_attributes(ListenerArn=listener, Attributes=[{"Key": IDLE, "Value": value}])
    assert code_of(refused.value) == "ValidationError"
    assert attributes(aws, listener)[IDLE] == "350"


def test_an_unknown_attribute_is_refused(aws: Site) -> None:
    listener = aws.listener(aws.balancer(), aws.target_group())
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_listener_attributes(ListenerArn=listener, Attributes=[{"Key": "colour", "Value": "red"}])
    assert code_of(refused.value) == "InvalidConfigurationRequest"


def test_one_without_a_group_or_with_one_that_is_not_there_is_refused(aws: Site) -> None:
    balancer = aws.balancer()
    with pytest.raises(ClientError) as refused:
        aws.listener(balancer, aws.target_group() + "0")
    assert code_of(refused.value) == "TargetGroupNotFound"


def test_one_on_a_load_balancer_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.listener(aws.balancer() + "0", aws.target_group())
    assert code_of(refused.value) == "LoadBalancerNotFound"


def test_one_for_http_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.elb.create_listener(
            LoadBalancerArn=aws.balancer(),
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": aws.target_group()}],
        )
    assert code_of(refused.value) == "UnsupportedProtocol"


def test_deleted_it_is_gone(aws: Site) -> None:
    balancer = aws.balancer()
    listener = aws.listener(balancer, aws.target_group())
    aws.elb.delete_listener(ListenerArn=listener)
    assert aws.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"] == []
    with pytest.raises(ClientError) as refused:
        aws.elb.delete_listener(ListenerArn=listener)
    assert code_of(refused.value) == "ListenerNotFound"
