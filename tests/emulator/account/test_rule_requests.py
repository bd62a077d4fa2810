"""What a private endpoint rule may be asked to be."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, InvalidState, NotFound
from databricks.sdk.service.settings import CreatePrivateEndpointRule, UpdatePrivateEndpointRule

from emulator.account.desk import DAY, NAME, REGION, SERVICE, Desk, opened
from s3private_emulator.delays import Delay
from s3private_emulator.faults import Fault, Planned

S3 = f"com.amazonaws.{REGION}.s3"
CREATE_RULE = "account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules"
OTHER = "bucket.vpce-9z9z-xyz.s3.ap-northeast-1.vpce.amazonaws.com"


def create(desk: Desk, ncc: str, wanted: CreatePrivateEndpointRule) -> str:
    return desk.client.network_connectivity.create_private_endpoint_rule(ncc, wanted).rule_id or ""


def update(desk: Desk, ncc: str, rule: str, wanted: UpdatePrivateEndpointRule, mask: str) -> None:
    desk.client.network_connectivity.update_private_endpoint_rule(ncc, rule, wanted, mask)


@pytest.mark.parametrize(
    "wanted",
    [
        CreatePrivateEndpointRule(endpoint_service=SERVICE),
        CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME], resource_names=["bucket"]),
        CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME], group_id="blob"),
        CreatePrivateEndpointRule(endpoint_service=SERVICE, resource_names=["bucket"]),
        CreatePrivateEndpointRule(endpoint_service=SERVICE, group_id="blob"),
        CreatePrivateEndpointRule(endpoint_service=S3, domain_names=[NAME]),
        CreatePrivateEndpointRule(domain_names=[NAME]),
        CreatePrivateEndpointRule(endpoint_service="vpce-svc-0a1b", domain_names=[NAME]),
    ],
)
def test_a_rule_names_one_service_and_one_kind_of_target(desk: Desk, wanted: CreatePrivateEndpointRule) -> None:
    ncc = desk.make_ncc()

    with pytest.raises(InvalidParameterValue):
        create(desk, ncc, wanted)
    assert desk.account.rules() == []


@pytest.mark.parametrize(
    "name",
    [
        "https://files.example.com",
        "192.0.2.7",
        "localhost",
        f"{'a.' * 149}com",
        "files.example.com/x",
        "a..example.com",
    ],
)
def test_what_is_no_fully_qualified_name_is_refused_in_a_new_rule_and_in_an_update(desk: Desk, name: str) -> None:
    ncc = desk.make_ncc()
    with pytest.raises(InvalidParameterValue, match="fully qualified"):
        create(desk, ncc, CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME, name]))
    rule = create(desk, ncc, CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME]))
    with pytest.raises(InvalidParameterValue, match="fully qualified"):
        update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=[name]), "domain_names")


def test_a_service_in_another_region_is_refused(desk: Desk) -> None:
    ncc = desk.make_ncc(region="eu-west-1")

    with pytest.raises(InvalidParameterValue, match=f"is in {REGION}"):
        desk.make_rule(ncc)


def test_a_rule_takes_at_most_10_domain_names(desk: Desk) -> None:
    ncc = desk.make_ncc()
    names = tuple(f"{number}.{NAME}" for number in range(11))
    rule = desk.make_rule(ncc, names[:10])

    with pytest.raises(InvalidParameterValue, match="at most 10"):
        desk.make_rule(ncc, names)
    with pytest.raises(InvalidParameterValue, match="at most 10"):
        update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=list(names)), "domain_names")


def test_a_region_has_at_most_30_private_endpoints_over_all_its_nccs(desk: Desk) -> None:
    first, second = desk.make_ncc("first"), desk.make_ncc("second")
    for number in range(30):
        desk.make_rule(first if number % 2 else second)

    with pytest.raises(BadRequest, match="limit is 30"):
        desk.make_rule(first)


def test_a_deactivated_rule_counts_against_the_limit_until_it_is_gone(desk: Desk) -> None:
    ncc = desk.make_ncc()
    dead = desk.establish(ncc)
    assert desk.state(ncc, dead) == "ESTABLISHED"
    desk.delete_rule(ncc, dead)
    for _ in range(29):
        desk.make_rule(ncc)

    with pytest.raises(BadRequest, match="deactivated ones included"):
        desk.make_rule(ncc)
    desk.clock.advance(DAY)
    desk.make_rule(ncc)


def test_creating_a_rule_twice_makes_two_rules_and_two_endpoints(desk: Desk) -> None:
    ncc = desk.make_ncc()

    assert desk.make_rule(ncc) != desk.make_rule(ncc)
    assert len(set(desk.connections())) == 2


def test_a_lost_reply_makes_the_sdk_create_the_rule_again(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.faults.add(Planned(operation=CREATE_RULE, fault=Fault.GATEWAY_TIMEOUT, times=2))

    desk.make_rule(ncc)

    assert len(desk.rules(ncc)) == 3


def test_a_client_with_a_retry_timeout_of_one_second_creates_one_rule(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.faults.add(Planned(operation=CREATE_RULE, fault=Fault.GATEWAY_TIMEOUT))
    once = desk.sign_in(retry_seconds=1)

    with pytest.raises(TimeoutError):
        once.network_connectivity.create_private_endpoint_rule(
            ncc, CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME])
        )
    assert len(desk.rules(ncc)) == 1


def test_rules_are_listed_in_pages(desk: Desk) -> None:
    desk.account.set_page_size(2)
    ncc = desk.make_ncc()
    made = [desk.make_rule(ncc) for _ in range(4)]
    mark = desk.log.mark()

    assert [rule.rule_id for rule in desk.rules(ncc)] == made
    assert len(desk.log.since(mark)) == 2


def test_an_ncc_lists_its_own_rules_only(desk: Desk) -> None:
    first, second = desk.make_ncc("first"), desk.make_ncc("second")
    rule = desk.make_rule(first)

    assert desk.rules(second) == []
    with pytest.raises(NotFound):
        desk.read(second, rule)


def test_an_update_replaces_the_whole_list_of_names(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc, (NAME, f"other.{NAME}"))

    update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=[OTHER]), "domain_names")

    assert desk.read(ncc, rule).domain_names == [OTHER]


def test_an_update_with_an_empty_mask_is_refused(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    with pytest.raises(InvalidParameterValue, match=r"^Update mask must be specified\.$"):
        update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=[OTHER]), "")
    assert desk.read(ncc, rule).domain_names == [NAME]


def test_an_update_to_no_names_is_refused(desk: Desk) -> None:
    """The SDK drops empty lists: on the wire the field is missing."""
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    with pytest.raises(InvalidParameterValue):
        update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=[]), "domain_names")
    assert desk.read(ncc, rule).domain_names == [NAME]


@pytest.mark.parametrize("mask", ["endpoint_service", "connection_state", "enabled", "domain_names,endpoint_service"])
def test_a_mask_with_any_other_field_is_refused_and_changes_nothing(desk: Desk, mask: str) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    with pytest.raises(InvalidParameterValue, match="No updates were attempted"):
        update(desk, ncc, rule, UpdatePrivateEndpointRule(domain_names=[OTHER], enabled=True), mask)
    assert desk.read(ncc, rule).domain_names == [NAME]


def test_a_rule_to_s3_hears_enabled_only_once_established() -> None:
    with opened(rule_established=Delay(seconds=60)) as desk:
        ncc = desk.make_ncc()
        wanted = CreatePrivateEndpointRule(endpoint_service=S3, resource_names=["sales-records"])
        rule = create(desk, ncc, wanted)
        enable = UpdatePrivateEndpointRule(enabled=True)

        with pytest.raises(InvalidState, match="ESTABLISHED"):
            update(desk, ncc, rule, enable, "enabled")
        desk.clock.advance(60)
        assert desk.read(ncc, rule).enabled is False
        update(desk, ncc, rule, enable, "enabled")
        assert desk.read(ncc, rule).enabled is True


def test_an_unknown_ncc_or_rule_is_not_found(desk: Desk) -> None:
    ncc = desk.make_ncc()

    with pytest.raises(NotFound):
        desk.make_rule("00000000-0000-0000-0000-000000000000")
    with pytest.raises(NotFound):
        desk.delete_rule(ncc, "00000000-0000-0000-0000-000000000000")
