"""Network connectivity configs: names, regions, limits, deletion."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, InvalidState, NotFound
from databricks.sdk.service.settings import CreateNetworkConnectivityConfiguration

from emulator.account.desk import ANALYTICS, DAY, REGION, Desk


def test_an_ncc_is_made_found_and_deleted(desk: Desk) -> None:
    ncc = desk.make_ncc("s3private-demo")

    found = desk.client.network_connectivity.get_network_connectivity_configuration(ncc)
    assert (found.name, found.region, found.account_id) == ("s3private-demo", REGION, desk.world.databricks_account)

    desk.client.network_connectivity.delete_network_connectivity_configuration(ncc)
    with pytest.raises(NotFound):
        desk.client.network_connectivity.get_network_connectivity_configuration(ncc)


@pytest.mark.parametrize("name", ["ab", "a" * 31, "with space", "dot.dot", "ends\n", ""])
def test_an_ncc_name_has_3_to_30_letters_digits_hyphens_underscores(desk: Desk, name: str) -> None:
    with pytest.raises(InvalidParameterValue):
        desk.make_ncc(name)

    assert desk.account.nccs() == []


def test_an_ncc_needs_a_region(desk: Desk) -> None:
    with pytest.raises(InvalidParameterValue, match="region"):
        desk.client.network_connectivity.create_network_connectivity_configuration(
            CreateNetworkConnectivityConfiguration(name="s3private-demo", region="")
        )


def test_an_nccs_region_is_one_of_the_platforms(desk: Desk) -> None:
    with pytest.raises(InvalidParameterValue, match="nowhere-1 is not a region"):
        desk.make_ncc(region="nowhere-1")


def test_creating_an_ncc_twice_makes_two(desk: Desk) -> None:
    assert desk.make_ncc("same-name") != desk.make_ncc("same-name")


def test_a_region_has_at_most_10_nccs(desk: Desk) -> None:
    for number in range(10):
        desk.make_ncc(f"ncc-{number}")

    with pytest.raises(BadRequest, match="limit is 10"):
        desk.make_ncc("ncc-10")
    desk.make_ncc("elsewhere", region="eu-west-1")


def test_nccs_are_listed_in_pages(desk: Desk) -> None:
    desk.account.set_page_size(2)
    made = [desk.make_ncc(f"ncc-{number}") for number in range(5)]
    mark = desk.log.mark()

    listed = list(desk.client.network_connectivity.list_network_connectivity_configurations())

    assert [ncc.network_connectivity_config_id for ncc in listed] == made
    assert len(desk.log.since(mark)) == 3


def test_a_made_up_page_token_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidParameterValue):
        list(desk.client.network_connectivity.list_network_connectivity_configurations(page_token="made-up"))


def test_an_ncc_with_a_workspace_is_not_deleted(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)

    with pytest.raises(InvalidState, match=f"attached to one or more workspaces: {ANALYTICS}"):
        desk.client.network_connectivity.delete_network_connectivity_configuration(ncc)


def test_an_ncc_with_a_rule_is_not_deleted_until_the_deactivated_rule_is_gone(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.establish(ncc)
    assert desk.state(ncc, rule) == "ESTABLISHED"
    desk.delete_rule(ncc, rule)

    with pytest.raises(InvalidState, match="has one or more private endpoint rules"):
        desk.client.network_connectivity.delete_network_connectivity_configuration(ncc)
    desk.clock.advance(DAY)
    desk.client.network_connectivity.delete_network_connectivity_configuration(ncc)


def test_an_nccs_rules_show_as_its_target_rules(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    egress = desk.client.network_connectivity.get_network_connectivity_configuration(ncc).egress_config

    assert egress
    assert egress.target_rules
    assert [shown.rule_id for shown in egress.target_rules.aws_private_endpoint_rules or []] == [rule]
