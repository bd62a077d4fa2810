"""What a new operator gets wrong first is one line on standard error, with what to look at, and no traceback."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulated.ground import Ground
from emulated.hand import Hand
from s3private.cli import main


def refused(ground: Ground, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and the last line; nothing was written."""
    capsys.readouterr()
    mark = ground.emulator.log.mark()
    code = main(["provision", str(ground.file)])
    assert ground.emulator.log.writes(mark) == []
    return code, capsys.readouterr().err.splitlines()[-1]


def a_profile_that_is_not_there(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_PROFILE", "nobodys")


def half_a_key(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("wrong", "says"), [(a_profile_that_is_not_there, "(nobodys)"), (half_a_key, "AWS_SECRET_ACCESS_KEY")]
)
def test_aws_settings_that_fit_nothing(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: Callable[[pytest.MonkeyPatch], None],
    says: str,
) -> None:
    wrong(monkeypatch)
    code, line = refused(ground, capsys)
    assert code == 2
    assert line.startswith("s3private: ")
    assert says in line
    assert line.endswith("look at AWS_PROFILE, the other AWS_ variables and ~/.aws")


def test_an_account_console_that_does_not_answer(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("s3private.provision.clients._DISCOVERY_SECONDS", 1)
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:1")
    code, line = refused(ground, capsys)
    assert code == 1
    assert line.startswith(
        "s3private: http://127.0.0.1:1 does not say how to sign in to a Databricks account: look at "
    )


@pytest.mark.parametrize("place", ["a-file/demo.route.json", "a-directory.json"])
def test_a_place_where_no_route_can_be_written(ground: Ground, capsys: pytest.CaptureFixture[str], place: str) -> None:
    (ground.directory / "a-file").write_text("", encoding="utf-8")
    (ground.directory / "a-directory.json").mkdir()
    ground.write(file=f'"{ground.directory / place}"')
    code, line = refused(ground, capsys)
    assert code == 2
    assert line == f"s3private: route.file: {ground.directory / place} cannot be written: choose another place"


def test_the_calls_are_given_more_patience_than_the_first_look(ground: Ground) -> None:
    settings = ground.clients.account.config
    assert (settings.retry_timeout_seconds, settings.http_timeout_seconds) == (120, 60)
    assert ground.clients.account_once.config.retry_timeout_seconds == 1


def test_a_security_group_that_is_not_there_or_is_elsewhere(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ec2, vpc = Hand(ground.hand).ec2, ground.config.vpc_id
    other = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    elsewhere = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=other)["GroupId"]
    for group, says in (
        ("sg-0123456789abcdef0", "does not exist"),
        (elsewhere, f"is in {other}, and aws.vpc_id is {vpc}"),
    ):
        ground.write(vpc_id=f'"{vpc}"\nsecurity_group_id = "{group}"')
        code, line = refused(ground, capsys)
        assert code == 2
        assert line.startswith("s3private: aws.security_group_id: ")
        assert says in line


@pytest.mark.parametrize("verb", ["provision", "destroy", "maintain"])
def test_looks_with_no_time_between_them(ground: Ground, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    mark = ground.emulator.log.mark()
    with pytest.raises(SystemExit) as ended:
        main([verb, str(ground.file), "--poll", "0s"])
    assert ended.value.code == 2
    assert "--poll: not a time between two looks: '0s' (write 10s)" in capsys.readouterr().err
    assert ground.emulator.log.since(mark) == []


@pytest.mark.parametrize(
    "key", ["role_arn", "external_id"], ids=["a role that is not there", "an external id that is not the role's"]
)
def test_a_role_that_cannot_be_assumed_names_the_keys(
    ground: Ground, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    account = ground.config.aws_account_id
    wrong = {"role_arn": f'"arn:aws:iam::{account}:role/no-such"', "external_id": '"wrong"'}
    ground.write(**{key: wrong[key]})
    code, line = refused(ground, capsys)
    assert code == 1
    assert line.startswith("s3private: aws.role_arn: arn:aws:iam::")
    assert "AccessDenied" in line
    assert "aws.external_id" in line


@pytest.mark.parametrize("place", ["s3://b/x.json", "dbfs:/x/../s3://b/y.json", "https://example.com/x.json"])
def test_a_route_is_no_url(ground: Ground, capsys: pytest.CaptureFixture[str], place: str) -> None:
    ground.write(file=f'"{place}"')
    code, line = refused(ground, capsys)
    assert code == 2
    assert "route.file: must be a file on a disk or in a volume" in line
