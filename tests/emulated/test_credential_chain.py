"""Whatever boto3's search for credentials comes upon is one line and exit code 2, before anything is asked or written;
in the middle of a run too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.credentials
import botocore.exceptions
import pytest

from emulated.conftest import prepared
from emulated.ground import Ground
from s3private.cli import main
from s3private.credentials import searching_session
from s3private.errors import ConfigError, RouteError
from s3private.provision.clients import Clients
from s3private_emulator.emulator import Emulator

LOOK = "look at AWS_PROFILE, the other AWS_ variables and ~/.aws"
SSO = """
[profile {name}]
sso_session = s
sso_account_id = 111111111111
sso_role_name = r
region = eu-west-1
[sso-session s]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
"""
MFA = """
[profile mfa]
role_arn = arn:aws:iam::111111111111:role/r
source_profile = keys
mfa_serial = arn:aws:iam::111111111111:mfa/me
[profile keys]
aws_access_key_id = AKIAEXAMPLE000000000
aws_secret_access_key = x
"""
PROFILES = {
    "missing": ("credential_process = /nowhere/at-all --now", "No such file or directory: /nowhere/at-all"),
    "empty": ("credential_process = true", "prints no JSON"),
    "text": ("credential_process = echo hello", "prints no JSON"),
    "quote": ("credential_process = echo 'hello", "No closing quotation"),
    "failing": ("credential_process = false", "Error when retrieving credentials from custom-process"),
    "old": ("credential_process = echo {}", "Unsupported version"),
    "web": (
        "role_arn = arn:aws:iam::111111111111:role/r\nweb_identity_token_file = /nowhere/token",
        "No such file or directory: /nowhere/token",
    ),
    "loop": ("role_arn = arn:aws:iam::111111111111:role/r\nsource_profile = no-such", "no-such"),
    "odd": ("role_arn = arn:aws:iam::111111111111:role/r\ncredential_source = Moon", "Moon"),
    "half": ("aws_access_key_id = AKIAEXAMPLE000000000", "aws_secret_access_key"),
}


@pytest.fixture(scope="module")
def ground_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        yield prepared(emulator, tmp_path_factory.mktemp("chain"), environment)
        assert emulator.log.writes(0) == []


@pytest.fixture
def chain(ground_for_all: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ground:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("config", "credentials"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return ground_for_all


def refused(ground: Ground, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    mark = ground.emulator.log.mark()
    assert main(["provision", str(ground.file)]) == 2
    assert [one.operation for one in ground.emulator.log.since(mark) if one.service != "account"] == []
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_that_gives_no_keys(
    chain: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, profile: str
) -> None:
    lines, says = PROFILES[profile]
    (tmp_path / "config").write_text(f"[profile {profile}]\n{lines}\n")
    monkeypatch.setenv("AWS_PROFILE", profile)
    line = refused(chain, capsys)
    assert says in line
    assert line.endswith(LOOK)


def test_a_login_that_has_ended_says_how_to_log_in(
    chain: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(SSO.format(name="work"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "work")
    line = refused(chain, capsys)
    assert f"log in with `aws sso login --profile work`, or {LOOK}" in line


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AWS_ENDPOINT_URL", "127.0.0.1:5000", "127.0.0.1:5000"),
        ("AWS_ENDPOINT_URL_EC2", "", ""),
        ("AWS_PROFILE", "nobodys", "(nobodys)"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "/nowhere/token"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.1.1/x", "169.254.1.1"),
        ("AWS_CA_BUNDLE", "/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("AWS_RETRY_MODE", "never", "never"),
    ],
)
def test_a_variable_that_fits_nothing(
    chain: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/r")
    if name not in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL_EC2"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv(name, value)
    assert says in refused(chain, capsys)


def test_a_malformed_config_file(chain: Ground, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile\nx")
    assert str(tmp_path / "config") in refused(chain, capsys)


def test_a_code_that_nobody_can_be_asked_for(
    chain: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def nobody(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(botocore.credentials.AssumeRoleProvider.__init__, "__defaults__", (nobody, None, None))
    (tmp_path / "config").write_text(MFA)
    monkeypatch.setenv("AWS_PROFILE", "mfa")
    assert "asks for an MFA code, and there is no terminal" in refused(chain, capsys)


def test_a_malformed_databricks_config_file(
    ground_for_all: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "cfg").write_text("host = x\n[DEFAULT\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "cfg"))
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "work")
    line = refused(ground_for_all, capsys)
    assert "~/.databrickscfg" in line
    assert "client_secret" not in line


def every_exception() -> list[type[Exception]]:
    found = [one for _, one in inspect.getmembers(botocore.exceptions, inspect.isclass) if issubclass(one, Exception)]
    return [one for one in found if one.__module__ == "botocore.exceptions" and not issubclass(one, Warning)]


def made(kind: Any) -> Exception:
    if issubclass(kind, botocore.exceptions.ClientError):
        refusal: Exception = kind({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
        return refusal
    names = re.findall(r"{(\w+)", getattr(kind, "fmt", ""))
    try:
        built: Exception = kind(**dict.fromkeys([*names, "error"], "odd\nvalue"))
    except TypeError:
        built = kind(*["odd\nvalue"] * (3 if kind is botocore.exceptions.WaiterError else 1))
    return built


@pytest.mark.parametrize("kind", every_exception(), ids=lambda kind: str(kind.__name__))
def test_each_exception_of_botocore_is_one_line_now_and_later(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    error = made(kind)

    class Late:
        method = "odd"

        def get_frozen_credentials(self) -> None:
            raise error

    monkeypatch.setattr(botocore.credentials.EnvProvider, "load", lambda _self: Late())
    found = searching_session("eu-west-1").get_credentials()
    assert found is not None
    with pytest.raises(RouteError, match=LOOK) as later:
        found.get_frozen_credentials()
    assert "\n" not in str(later.value)

    def now(_self: object) -> None:
        raise error

    monkeypatch.setattr(botocore.credentials.EnvProvider, "load", now)
    with pytest.raises(RouteError, match=LOOK):
        searching_session("eu-west-1").get_credentials()


def test_keys_that_cannot_be_fetched_again_in_the_middle_of_a_run(
    ground_for_all: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients(ground_for_all.config)
    clients.ec2.describe_subnets()

    def gone(_self: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/nowhere/token")

    session: Any = clients._base.get_credentials()
    monkeypatch.setattr(type(session._found), "get_frozen_credentials", gone)
    with pytest.raises((ConfigError, RouteError), match=r"No such file or directory: /nowhere/token: look at"):
        session.get_frozen_credentials()
