"""The course of a rule's connection state, driven by the owner of the endpoint service and by time."""

from __future__ import annotations

import pytest
from databricks.sdk.service.settings import CreatePrivateEndpointRule

from emulator.account.desk import DAY, NAME, ROLE, SERVICE, Desk, opened
from s3private_emulator.account import ConnectionState
from s3private_emulator.delays import Delay


def test_a_new_rule_is_creating_and_has_no_endpoint_id_yet(desk: Desk) -> None:
    ncc = desk.make_ncc()

    made = desk.client.network_connectivity.create_private_endpoint_rule(
        ncc, CreatePrivateEndpointRule(endpoint_service=SERVICE, domain_names=[NAME])
    )

    assert made.connection_state
    assert made.connection_state.value == "CREATING"
    assert made.vpc_endpoint_id is None


def test_the_endpoint_id_appears_with_pending_after_some_reads() -> None:
    with opened(rule_endpoint_id=Delay(polls=2)) as desk:
        ncc = desk.make_ncc()
        rule = desk.make_rule(ncc)

        seen = [desk.read(ncc, rule), desk.rules(ncc)[0], desk.read(ncc, rule)]

        assert [read.vpc_endpoint_id is not None for read in seen] == [False, False, True]
        assert [read.connection_state and read.connection_state.value for read in seen] == [
            "CREATING",
            "CREATING",
            "PENDING",
        ]


def test_the_endpoint_id_appears_after_some_time() -> None:
    with opened(rule_endpoint_id=Delay(seconds=90)) as desk:
        ncc = desk.make_ncc()
        rule = desk.make_rule(ncc)

        assert desk.state(ncc, rule) == "CREATING"
        desk.clock.advance(90)
        assert desk.state(ncc, rule) == "PENDING"


def test_the_connection_is_at_the_service_before_the_rule_tells_its_endpoint_id() -> None:
    """Whoever accepts what is pending without knowing its own endpoint's id may accept a stranger's."""
    with opened(rule_endpoint_id=Delay(polls=1)) as desk:
        ncc = desk.make_ncc()
        rule = desk.make_rule(ncc)

        assert len(desk.connections()) == 1
        assert desk.read(ncc, rule).vpc_endpoint_id is None


def test_the_one_who_knocks_is_databricks_account(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.make_rule(ncc)

    [connection] = desk.link.connections_of("vpce-svc-0a1b2c3d4e5f60001")
    assert connection.vpc_endpoint_owner == "565502421330"


def test_a_rule_stays_pending_until_the_owner_accepts(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    assert {desk.state(ncc, rule) for _ in range(5)} == {"PENDING"}
    desk.accept(ncc, rule)
    assert desk.state(ncc, rule) == "ESTABLISHED"


def test_established_comes_a_while_after_the_acceptance() -> None:
    with opened(rule_established=Delay(polls=1, seconds=60)) as desk:
        ncc = desk.make_ncc()
        rule = desk.make_rule(ncc)
        desk.accept(ncc, rule)

        assert desk.state(ncc, rule) == "PENDING"
        assert desk.state(ncc, rule) == "PENDING"
        desk.clock.advance(60)
        assert desk.state(ncc, rule) == "ESTABLISHED"


def test_a_service_that_requires_no_acceptance_establishes_by_itself(desk: Desk) -> None:
    desk.require_no_acceptance()
    ncc = desk.make_ncc()

    assert desk.state(ncc, desk.make_rule(ncc)) == "ESTABLISHED"


@pytest.mark.parametrize("principals", [(), ("arn:aws:iam::111111111111:root",), (f"{ROLE}-other",)])
def test_without_the_allowed_principal_creation_fails(desk: Desk, principals: tuple[str, ...]) -> None:
    desk.allow(*principals)
    ncc = desk.make_ncc()

    read = desk.read(ncc, desk.make_rule(ncc))

    assert read.connection_state
    assert read.connection_state.value == "CREATE_FAILED"
    assert SERVICE in (read.error_message or "")
    assert read.vpc_endpoint_id is None
    assert desk.connections() == []


def test_without_the_endpoint_service_creation_fails(desk: Desk) -> None:
    desk.service = None
    ncc = desk.make_ncc()

    assert desk.state(ncc, desk.make_rule(ncc)) == "CREATE_FAILED"


def test_a_failed_creation_looks_like_any_other_until_it_is_found_out() -> None:
    with opened(rule_endpoint_id=Delay(polls=1)) as desk:
        desk.allow()
        ncc = desk.make_ncc()
        rule = desk.make_rule(ncc)

        assert desk.state(ncc, rule) == "CREATING"
        assert desk.state(ncc, rule) == "CREATE_FAILED"


def test_a_rejected_connection_makes_a_pending_rule_rejected(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.reject(ncc, rule)

    assert desk.state(ncc, rule) == "REJECTED"


def test_a_rejected_connection_makes_an_established_rule_disconnected(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.establish(ncc)
    assert desk.state(ncc, rule) == "ESTABLISHED"
    desk.reject(ncc, rule)

    assert desk.state(ncc, rule) == "DISCONNECTED"


def test_a_rule_not_accepted_in_14_days_expires(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)

    desk.clock.advance(14 * DAY - 1)
    assert desk.state(ncc, rule) == "PENDING"
    desk.clock.advance(1)
    assert desk.state(ncc, rule) == "EXPIRED"


def test_a_rejected_rule_expires_after_14_days(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.reject(ncc, rule)
    assert desk.state(ncc, rule) == "REJECTED"

    desk.clock.advance(14 * DAY)
    assert desk.state(ncc, rule) == "EXPIRED"


@pytest.mark.parametrize("state", [state.value for state in ConnectionState])
def test_any_state_can_be_forced_and_let_go(desk: Desk, state: str) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.account.force_rule_state(rule, state, "as the test wants it")

    assert desk.state(ncc, rule) == state
    assert desk.read(ncc, rule).error_message == "as the test wants it"
    desk.account.force_rule_state(rule, "")
    assert desk.state(ncc, rule) == "PENDING"


def test_a_state_the_sdk_does_not_know_reaches_it_as_none(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.account.force_rule_state(rule, "VERIFYING")

    assert desk.read(ncc, rule).connection_state is None
