"""A deleted rule goes at once, or lingers with its endpoint on the customer's endpoint service."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import NotFound

from emulator.account.desk import ANALYTICS, DAY, Desk, opened
from s3private_emulator.delays import Delay


def test_a_pending_rule_goes_at_once_and_its_connection_with_it(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    assert desk.state(ncc, rule) == "PENDING"
    desk.delete_rule(ncc, rule)

    with pytest.raises(NotFound):
        desk.read(ncc, rule)
    assert desk.connections() == []


def test_an_expired_rule_goes_at_once(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.clock.advance(14 * DAY)
    assert desk.state(ncc, rule) == "EXPIRED"
    desk.delete_rule(ncc, rule)

    assert desk.rules(ncc) == []
    assert desk.connections() == []


def test_an_established_rule_is_deactivated_and_gone_after_a_day(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.establish(ncc)
    created = desk.read(ncc, rule)

    deleted = desk.delete_rule(ncc, rule)

    assert deleted.deactivated is True
    assert deleted.deactivated_at == created.creation_time
    desk.clock.advance(DAY - 1)
    assert [left.deactivated for left in desk.rules(ncc)] == [True]
    desk.clock.advance(1)
    assert desk.rules(ncc) == []


def test_a_deactivated_rules_connection_stays_on_the_service_until_the_rule_is_gone(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.establish(ncc)
    endpoint = desk.read(ncc, rule).vpc_endpoint_id
    desk.delete_rule(ncc, rule)

    desk.clock.advance(DAY - 1)
    assert desk.connections() == [endpoint]
    desk.clock.advance(1)
    assert desk.connections() == []


def test_how_long_a_deactivated_rule_lingers_can_be_a_week(desk: Desk) -> None:
    desk.account.set_deactivated_seconds(7 * DAY)
    ncc = desk.make_ncc()
    rule = desk.establish(ncc)
    desk.read(ncc, rule)
    desk.delete_rule(ncc, rule)

    desk.clock.advance(7 * DAY - 1)
    assert len(desk.rules(ncc)) == len(desk.connections()) == 1
    desk.clock.advance(1)
    assert len(desk.rules(ncc)) == len(desk.connections()) == 0


@pytest.mark.parametrize("established_before", [False, True])
def test_a_rejected_or_disconnected_rule_is_deactivated(desk: Desk, established_before: bool) -> None:
    ncc = desk.make_ncc()
    rule = desk.establish(ncc) if established_before else desk.make_rule(ncc)
    desk.read(ncc, rule)
    desk.reject(ncc, rule)

    assert desk.delete_rule(ncc, rule).deactivated is True


def test_a_rule_still_creating_is_deactivated() -> None:
    with opened(rule_endpoint_id=Delay(seconds=60)) as desk:
        ncc = desk.make_ncc()

        assert desk.delete_rule(ncc, desk.make_rule(ncc)).deactivated is True


def test_a_rule_whose_creation_failed_is_deactivated(desk: Desk) -> None:
    desk.service = None
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    assert desk.state(ncc, rule) == "CREATE_FAILED"

    assert desk.delete_rule(ncc, rule).deactivated is True


def test_a_deactivated_rule_carries_nothing(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)
    rule = desk.establish(ncc)
    assert desk.account.carried_names(ANALYTICS)
    desk.delete_rule(ncc, rule)

    assert desk.account.carried_names(ANALYTICS) == {}
