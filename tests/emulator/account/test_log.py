"""What the request log says of the account, and what an unknown request meets."""

from __future__ import annotations

import threading

import pytest
import requests
from databricks.sdk.errors import InvalidParameterValue, NotImplemented

from emulator.account.desk import ANALYTICS, NAME, REGION, SERVICE, Desk, opened


def test_each_write_is_logged_by_its_route_and_what_it_asked(desk: Desk) -> None:
    ncc = desk.make_ncc()
    rule = desk.make_rule(ncc)
    desk.attach(ANALYTICS, ncc)
    desk.delete_rule(ncc, rule)

    rules = "network-connectivity-configs/{ncc_id}/private-endpoint-rules"
    assert [request.operation for request in desk.log.writes()] == [
        "account:POST network-connectivity-configs",
        f"account:POST {rules}",
        "account:PATCH workspaces/{workspace_id}",
        f"account:DELETE {rules}/{{rule_id}}",
    ]
    made = desk.log.writes()[1]
    assert made.params == {"ncc_id": ncc, "endpoint_service": SERVICE, "domain_names": f'["{NAME}"]'}
    assert (made.service, made.account, made.status) == ("account", desk.world.databricks_account, 200)


def test_signing_in_and_reading_are_no_writes(desk: Desk) -> None:
    list(desk.client.workspaces.list())
    list(desk.client.network_connectivity.list_network_connectivity_configurations())

    assert desk.log.since()
    assert desk.log.writes() == []


def test_no_secret_is_logged_however_it_is_sent(desk: Desk) -> None:
    desk.make_ncc()
    secret = {"client_secret": desk.world.client_secret}
    for sent in (requests.Request("POST", data=secret), requests.Request("POST", json=secret)):
        sent.url = f"{desk.host}/oidc/v1/token"
        with requests.Session() as session:
            session.send(sent.prepare(), timeout=5)

    assert desk.world.client_secret not in str([request.as_dict() for request in desk.log])


def test_a_refused_write_is_logged_with_its_status(desk: Desk) -> None:
    with pytest.raises(InvalidParameterValue):
        desk.make_ncc("no")

    assert [(request.status, request.writes) for request in desk.log.since()[-1:]] == [(400, True)]


def test_a_body_that_is_no_json_object_is_refused(desk: Desk) -> None:
    token = desk.client.config.oauth_token().access_token
    path = f"/api/2.0/accounts/{desk.world.databricks_account}/network-connectivity-configs"

    answer = requests.post(f"{desk.host}{path}", data="[]", headers={"Authorization": f"Bearer {token}"}, timeout=5)

    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_an_unknown_route_is_answered_501_naming_it() -> None:
    with opened() as desk:
        with pytest.raises(NotImplemented, match=r"no GET /api/2\.0/accounts/\S+/network-policies"):
            list(desk.client.network_policies.list_network_policies_rpc())

        [unknown] = desk.log.unknown()
        assert (unknown.status, unknown.writes) == (501, False)
        assert "network-policies" in unknown.operation


def test_an_unknown_method_on_a_known_route_is_answered_501() -> None:
    with opened() as desk:
        with pytest.raises(NotImplemented):
            desk.client.workspaces.delete(ANALYTICS)

        assert [request.writes for request in desk.log.unknown()] == [True]


def test_many_clients_at_once_each_get_their_own_rule(desk: Desk) -> None:
    ncc = desk.make_ncc()
    threads = [threading.Thread(target=desk.make_rule, args=(ncc, (f"{n}.{REGION}",))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({rule.vpc_endpoint_id for rule in desk.rules(ncc)}) == 20
