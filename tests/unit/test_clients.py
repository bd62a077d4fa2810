"""The operator half's clients verify whom they talk to, whatever the settings of the machine say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3private.errors import ConfigError
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig

ROLE = "arn:aws:iam::222222222222:role/provisioner"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def clients(role: str | None) -> Clients:
    return Clients(
        PathConfig(
            name="demo",
            region="eu-west-1",
            aws_account_id="222222222222",
            vpc_id="vpc-0123456789abcdef0",
            subnet_ids=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
            buckets=("sales-records",),
            databricks_account_id="00000000-0000-0000-0000-000000000000",
            route_file="demo.route.json",
            allowed_principal="arn:aws:iam::565502421330:role/private-connectivity-role-eu-west-1",
            role_arn=role,
        )
    )


def sts_of(made: Clients) -> Any:
    """The client that asks for the role; without a request."""
    credentials: Any = made._data_account.get_credentials()
    fetch = credentials._refresh_using.args[0]
    return fetch.__self__._client_creator("sts")


@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize("setting", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_empty_bundle_does_not_switch_verification_off(
    monkeypatch: pytest.MonkeyPatch, setting: str, role: str | None
) -> None:
    monkeypatch.setenv(setting, "")
    made = clients(role)
    built: list[Any] = [made.ec2, made.elbv2, *([sts_of(made)] if role else [])]
    assert [client._endpoint.http_session._verify for client in built] == [True] * len(built)


@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize("setting", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_that_is_not_there_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, role: str | None
) -> None:
    monkeypatch.setenv(setting, str(tmp_path / "none.pem"))
    made = clients(role)
    for ask in (lambda: made.ec2, lambda: made.elbv2):
        with pytest.raises(ConfigError, match=rf"^{setting}: .*none\.pem' cannot be used to verify .*: No such"):
            ask()


@pytest.mark.parametrize("endpoint", ["http://sts.example", "https://me@sts.example", "https://sts.example/a?b"])
@pytest.mark.parametrize("setting", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
def test_keys_are_fetched_from_an_https_host_alone(
    monkeypatch: pytest.MonkeyPatch, setting: str, endpoint: str
) -> None:
    monkeypatch.setenv(setting, endpoint)
    made = clients(ROLE)
    with pytest.raises(ConfigError, match=r"no role is assumed at .*STS answers with keys, so it must be https"):
        _ = made.ec2
