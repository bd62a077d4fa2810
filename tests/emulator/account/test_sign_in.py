"""OAuth machine-to-machine, as the SDK goes about it."""

from __future__ import annotations

import pytest
import requests
from databricks.sdk.errors import PermissionDenied, Unauthenticated

from emulator.account.desk import Desk


def test_the_sdk_finds_its_way_in_by_the_hosts_metadata(desk: Desk) -> None:
    assert list(desk.client.network_connectivity.list_network_connectivity_configurations()) == []

    assert [request.operation for request in desk.log] == [
        "account:GET .well-known/databricks-config",
        "account:GET oidc/accounts/{account_id}/.well-known/oauth-authorization-server",
        "account:POST oidc/accounts/{account_id}/v1/token",
        "account:GET network-connectivity-configs",
    ]


def test_an_older_sdk_finds_its_way_in_without_metadata(desk: Desk) -> None:
    """0.78 takes a host not named `accounts.` for a workspace's."""
    found = requests.get(f"{desk.host}/oidc/.well-known/oauth-authorization-server", timeout=5).json()

    token = requests.post(
        found["token_endpoint"],
        {"grant_type": "client_credentials", "scope": "all-apis"},
        auth=(desk.world.client_id, desk.world.client_secret),
        timeout=5,
    ).json()

    assert token["token_type"] == "Bearer"
    assert _list_nccs(desk, token["access_token"]).status_code == 200


def test_addresses_are_those_of_the_host_that_was_asked(desk: Desk) -> None:
    headers = {"Host": "accounts.cloud.databricks.com"}

    metadata = requests.get(f"{desk.host}/.well-known/databricks-config", headers=headers, timeout=5).json()

    assert metadata["oidc_endpoint"] == "http://accounts.cloud.databricks.com/oidc/accounts/{account_id}"


def test_a_wrong_secret_is_refused_as_invalid_client(desk: Desk) -> None:
    with pytest.raises(ValueError, match="invalid_client"):
        list(desk.sign_in(client_secret="wrong").workspaces.list())

    assert desk.log.since()[-1].status == 401


def test_an_unknown_client_is_refused_as_invalid_client(desk: Desk) -> None:
    with pytest.raises(ValueError, match="invalid_client"):
        list(desk.sign_in(client_id="nobody").workspaces.list())


def test_credentials_may_come_in_the_form(desk: Desk) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": desk.world.client_id,
        "client_secret": desk.world.client_secret,
    }

    answer = requests.post(f"{desk.host}/oidc/v1/token", form, timeout=5)

    assert answer.status_code == 200


def test_another_grant_is_refused(desk: Desk) -> None:
    answer = requests.post(f"{desk.host}/oidc/v1/token", {"grant_type": "password"}, timeout=5)

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("authorization", [None, "Bearer made-up", "Basic YTpi"])
def test_a_call_without_a_valid_token_is_refused(desk: Desk, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = requests.get(f"{desk.host}{_nccs(desk)}", headers=headers, timeout=5)

    assert answer.status_code == 401


def test_a_token_runs_out(desk: Desk) -> None:
    desk.account.set_token_seconds(0)
    form = {"grant_type": "client_credentials"}
    basic = (desk.world.client_id, desk.world.client_secret)

    token = requests.post(f"{desk.host}/oidc/v1/token", form, auth=basic, timeout=5).json()

    assert token["expires_in"] == 0
    assert _list_nccs(desk, token["access_token"]).status_code == 401


def test_tokens_can_be_made_to_expire(desk: Desk) -> None:
    client = desk.client
    list(client.workspaces.list())
    desk.account.expire_tokens()

    with pytest.raises(Unauthenticated):
        list(client.workspaces.list())


def test_the_sdk_signs_in_again_before_its_token_runs_out(desk: Desk) -> None:
    desk.account.set_token_seconds(30)
    client = desk.sign_in()
    for _ in range(3):
        list(client.workspaces.list())

    assert [request.status for request in desk.log if request.operation.endswith("/v1/token")] == [200] * 3


def test_another_accounts_path_is_not_found(desk: Desk) -> None:
    token = desk.client.config.oauth_token().access_token

    answer = requests.get(
        f"{desk.host}/api/2.0/accounts/another/workspaces", headers={"Authorization": f"Bearer {token}"}, timeout=5
    )

    assert answer.status_code == 404


def test_another_account_has_no_way_in(desk: Desk) -> None:
    with pytest.raises(ValueError, match="Account another does not exist"):
        desk.sign_in(account_id="another")


def test_one_who_is_no_account_admin_is_refused(desk: Desk) -> None:
    desk.account.add_service_principal("reader", "reader-secret", account_admin=False)

    with pytest.raises(PermissionDenied, match="account admin"):
        list(desk.sign_in(client_id="reader", client_secret="reader-secret").workspaces.list())


def _nccs(desk: Desk) -> str:
    return f"/api/2.0/accounts/{desk.world.databricks_account}/network-connectivity-configs"


def _list_nccs(desk: Desk, token: str) -> requests.Response:
    return requests.get(f"{desk.host}{_nccs(desk)}", headers={"Authorization": f"Bearer {token}"}, timeout=5)
