"""Two owners build one path, each with its own credentials alone, and hand over by a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulated.ground import Ground
from s3private.cli import main
from s3private.route import Route
from s3private_emulator.world import World

WORKSPACE = 1001001001001001
_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_DATABRICKS = ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_HOST")


class Owners:
    """Two people with one path file; neither has the other's credentials, and neither calls the other's cloud."""

    def __init__(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ground = ground
        self.monkeypatch = monkeypatch
        self.handover = ground.directory / "demo.handover.json"
        host = ground.emulator.exports()["DATABRICKS_HOST"]
        ground.write(workspace_ids=f'[{WORKSPACE}]\naccount_host = "{host}"')

    def run(self, verb: str, side: str, *options: str) -> int:
        words = [verb, str(self.ground.file), "--side", side, "--handover", str(self.handover), *options]
        if verb != "plan":
            words += ["--poll", "0.01"]
        mark = self.ground.emulator.log.mark()
        with self.monkeypatch.context() as here:
            for name in _DATABRICKS if side == "aws" else _AWS:
                here.delenv(name)
            code = main(words)
        called = {request.service for request in self.ground.emulator.log.since(mark)}
        assert not called & ({"account"} if side == "aws" else {"ec2", "elbv2", "sts"}), called
        return code


@pytest.fixture
def owners(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Owners:
    return Owners(ground, monkeypatch)


def build(owners: Owners) -> None:
    for side, code in (("aws", 3), ("databricks", 3), ("aws", 0), ("databricks", 0)):
        assert owners.run("provision", side, "--timeout", "0.5s") == code


def test_the_file_goes_there_and_back_and_the_path_is_whole(owners: Owners, capsys: pytest.CaptureFixture[str]) -> None:
    assert owners.run("provision", "aws") == 3
    said = capsys.readouterr()
    assert "the Databricks side has not told its VPC endpoint id yet" in said.err
    assert f"note: {owners.handover} tells the Databricks side: service_name com.amazonaws.vpce." in said.out
    assert owners.run("provision", "databricks", "--timeout", "0.1s") == 3
    said = capsys.readouterr()
    rule = owners.ground.emulator.account.rules()[0]
    assert f"the AWS side accepts {rule.vpc_endpoint_id}" in said.err
    assert f"vpc_endpoint_id {rule.vpc_endpoint_id}" in said.out
    assert owners.run("provision", "aws") == 0
    assert owners.run("provision", "databricks") == 0
    route = Route.load(owners.ground.route)
    assert list(owners.ground.emulator.account.carried_names(WORKSPACE)) == [route.host]
    for side in ("aws", "databricks"):
        mark = owners.ground.emulator.log.mark()
        assert owners.run("plan", side, "--exit-code") == 0
        assert owners.run("provision", side) == 0
        assert owners.ground.emulator.log.writes(mark) == []


def test_the_same_path_is_built_as_by_one_owner(owners: Owners) -> None:
    build(owners)
    assert main(["plan", str(owners.ground.file), "--exit-code"]) == 0


def test_the_databricks_side_is_refused_before_the_aws_side_has_told_its_service(
    owners: Owners, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("plan", "provision"):
        assert owners.run(verb, "databricks") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "the AWS side has not told its endpoint service yet" in line
    assert owners.ground.emulator.log.since() == []


def test_a_strangers_endpoint_id_in_the_file_is_not_accepted_unless_it_knocks(owners: Owners) -> None:
    """The file is only as good as who sends it: what it names is accepted, and nothing else ever is."""
    owners.run("provision", "aws")
    owners.run("provision", "databricks", "--timeout", "0.1s")
    (service,) = [rule.endpoint_service for rule in owners.ground.emulator.account.rules()]
    stranger = owners.ground.emulator.stranger(service)
    assert owners.run("provision", "aws") == 0
    connection = owners.ground.emulator.privatelink.connection(stranger)
    assert connection is not None
    assert connection.state == "pendingAcceptance"


FORGED = {
    "service_name": ["com.amazonaws.ap-northeast-1.s3", "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"],
    "service_id": ["vpce-svc-0123456789abcdef0", "vpce-svc-x"],
    "endpoint_id": ["vpce-0123456789abcdef0", "vpce-٣٣٣٣٣٣٣٣"],
    "endpoint_dns_name": ["*.s3.ap-northeast-1.amazonaws.com", "*.evil.example.com", "*.amazonaws.com"],
    "vpc_endpoint_id": ["vpce-1", "*", "vpce-0123456789abcdef0 vpce-0123456789abcdef1"],
    "ncc_id": ["../x", "none"],
    "rule_id": ["'; --"],
}
"""Of each field: what the other side never writes there."""


@pytest.mark.parametrize(("field", "value"), [(name, value) for name, values in FORGED.items() for value in values])
def test_each_field_of_the_handover_is_held_against_the_others_and_the_region(
    owners: Owners, capsys: pytest.CaptureFixture[str], field: str, value: str
) -> None:
    owners.run("provision", "aws")
    owners.run("provision", "databricks", "--timeout", "0.1s")
    document = json.loads(owners.handover.read_text(encoding="utf-8"))
    part = next(one for one in ("aws", "databricks") if field in document[one])
    document[part][field] = value
    owners.handover.write_text(json.dumps(document), encoding="utf-8")
    capsys.readouterr()
    mark = owners.ground.emulator.log.mark()
    for side in ("aws", "databricks"):
        for verb in ("plan", "provision"):
            assert owners.run(verb, side) == 2
            assert f"--handover {owners.handover}: {part}" in capsys.readouterr().err.splitlines()[-1]
    assert owners.ground.emulator.log.since(mark) == []


def test_plan_says_which_endpoint_will_be_accepted_and_whose_it_is(
    owners: Owners, capsys: pytest.CaptureFixture[str]
) -> None:
    owners.run("provision", "aws")
    owners.run("provision", "databricks", "--timeout", "0.1s")
    [rule] = owners.ground.emulator.account.rules()
    capsys.readouterr()
    assert owners.run("plan", "aws") == 0
    assert f"{rule.vpc_endpoint_id} of account 565502421330 is pendingAcceptance: accepted" in capsys.readouterr().out


def test_an_endpoint_of_another_account_than_the_allowed_principals_is_not_accepted(
    owners: Owners, capsys: pytest.CaptureFixture[str]
) -> None:
    owners.run("provision", "aws")
    owners.run("provision", "databricks", "--timeout", "0.1s")
    emulator, ec2 = owners.ground.emulator, owners.ground.clients.ec2
    [rule] = emulator.account.rules()
    service = rule.endpoint_service.rpartition(".")[2]
    other = "arn:aws:iam::999999999999:role/consumer"
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service, AddAllowedPrincipals=[other])
    theirs = "vpce-0fedcba9876543210"
    emulator.privatelink.knock(
        vpc_endpoint_id=theirs, owner="999999999999", principal=other, service_name=rule.endpoint_service
    )
    text = owners.handover.read_text(encoding="utf-8").replace(str(rule.vpc_endpoint_id), theirs)
    owners.handover.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert owners.run("provision", "aws") == 2
    assert f"{theirs} at endpoint service {service} is of account 999999999999" in capsys.readouterr().err
    seen = emulator.privatelink.connection(theirs)
    assert seen is not None
    assert seen.state == "pendingAcceptance"


def test_destroy_rejects_no_connection_that_this_path_did_not_accept(
    owners: Owners, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another team's connection is in use at the service, and its id got into the file."""
    build(owners)
    emulator = owners.ground.emulator
    [rule] = emulator.account.rules()
    theirs = emulator.stranger(rule.endpoint_service)
    emulator.privatelink.accept(rule.endpoint_service.rpartition(".")[2], theirs)
    text = owners.handover.read_text(encoding="utf-8").replace(str(rule.vpc_endpoint_id), theirs)
    owners.handover.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert owners.run("destroy", "aws", "--confirm", "demo", "--timeout", "1s") == 3
    assert f"is held by {theirs} of account" in capsys.readouterr().err
    seen = emulator.privatelink.connection(theirs)
    assert seen is not None
    assert seen.state == "available"


@pytest.mark.parametrize("order", [("databricks", "aws"), ("aws", "databricks")])
def test_each_side_takes_down_its_own_in_any_order_and_both_can_build_again(
    owners: Owners, order: tuple[str, ...]
) -> None:
    build(owners)
    for side in order:
        remains = side == "databricks"  # the workspace stays attached, and the deactivated rule lingers
        assert owners.run("destroy", side, "--confirm", "demo", "--timeout", "5s") == (3 if remains else 0)
    assert not owners.ground.route.exists()
    ec2, elbv2 = owners.ground.clients.ec2, owners.ground.clients.elbv2
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    assert ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"] == []
    assert elbv2.describe_load_balancers()["LoadBalancers"] == []
    assert all(rule.deactivated_at is not None for rule in owners.ground.emulator.account.rules())
    build(owners)


def told(**other: object) -> str:
    whole = {
        "schema_version": 2,
        "path": "demo",
        "region": "ap-northeast-1",
        "owner": "",
        "aws_account_id": "222222222222",
        "databricks_account_id": World().databricks_account,
        "aws": None,
        "databricks": None,
    }
    return json.dumps(whole | other)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("{}", "not a handover of this version"),
        (
            '{"schema_version": 1, "path": "demo", "region": "ap-northeast-1", "aws": null, "databricks": null}',
            "not a handover of this version",
        ),
        (told(path="other"), "is for path 'other', not for path 'demo'"),
        (told(path=["demo"]), "not a handover of this version"),
        (told(aws={"a": 1}), "aws: must have check"),
    ],
)
def test_a_wrong_handover_is_one_line_exit_2_and_no_call(
    owners: Owners, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    owners.handover.write_text(text, encoding="utf-8")
    for side in ("aws", "databricks"):
        assert owners.run("provision", side) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(owners.handover) in line
        assert says in line
    assert owners.ground.emulator.log.since() == []


def test_a_rule_that_expired_is_made_anew_and_neither_side_waits_for_an_id_of_yesterday(
    owners: Owners, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the time that a run has by default: whoever waited for the other here would wait for half an hour."""
    owners.run("provision", "aws")
    assert owners.run("provision", "databricks") == 3
    said = capsys.readouterr()
    assert f"give it {owners.handover}, which is ready" in said.err
    emulator = owners.ground.emulator
    [rule] = emulator.account.rules()
    emulator.account.force_rule_state(rule.id, "EXPIRED")
    old = json.loads(owners.handover.read_text(encoding="utf-8"))["databricks"]["vpc_endpoint_id"]
    assert owners.run("provision", "databricks") == 3
    new = json.loads(owners.handover.read_text(encoding="utf-8"))
    assert new["databricks"]["vpc_endpoint_id"] != old
    yesterday = json.dumps({**new, "databricks": {**new["databricks"], "vpc_endpoint_id": old}})
    today = owners.handover.read_text(encoding="utf-8")
    owners.handover.write_text(yesterday, encoding="utf-8")
    capsys.readouterr()
    assert owners.run("provision", "aws") == 3
    assert f"{owners.handover} is out of date" in capsys.readouterr().err
    owners.handover.write_text(today, encoding="utf-8")
    assert owners.run("provision", "aws") == 0
    assert owners.run("provision", "databricks") == 0


@pytest.mark.parametrize("what", ["another owner's file", "two real files with fields exchanged"])
def test_what_is_another_paths_by_the_handover_is_refused_before_any_call(
    owners: Owners, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Whoever destroys, or renames the rule of, a path that is not theirs does it by the file they hold."""
    owners.run("provision", "aws")
    owners.run("provision", "databricks", "--timeout", "0.1s")
    document = json.loads(owners.handover.read_text(encoding="utf-8"))
    if what.startswith("another"):
        says = "is for owner '', not for owner 'dev'"
        text = owners.ground.file.read_text(encoding="utf-8").replace('name = "demo"', 'name = "demo"\nowner = "dev"')
        owners.ground.file.write_text(text, encoding="utf-8")
    else:
        says = "aws.check: "
        other = "vpce-0123456789abcdef0"
        document["aws"] |= {
            "endpoint_id": other,
            "endpoint_dns_name": f"*.{other}-a1b2c3.s3.ap-northeast-1.vpce.amazonaws.com",
        }
        owners.handover.write_text(json.dumps(document), encoding="utf-8")
    capsys.readouterr()
    mark = owners.ground.emulator.log.mark()
    for side in ("aws", "databricks"):
        for words in (["plan"], ["provision"], ["destroy", "--confirm", "demo"]):
            assert owners.run(words[0], side, *words[1:]) == 2
            assert says in capsys.readouterr().err.splitlines()[-1]
    assert owners.ground.emulator.log.since(mark) == []


def test_a_side_without_its_file_and_targets_on_the_wrong_side_are_refused(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(ground.file), "--side", "aws"]) == 2
    assert "--side and --handover go together" in capsys.readouterr().err
    handover = str(Path("x.json"))
    for verb in (["provision", "--only", "targets"], ["maintain"]):
        assert main([verb[0], str(ground.file), *verb[1:], "--side", "databricks", "--handover", handover]) == 2
        assert "the targets are the AWS side's" in capsys.readouterr().err
    assert ground.emulator.log.since() == []


@pytest.mark.parametrize(
    "before",
    [pytest.param(2, id="before it was accepted"), pytest.param(4, id="after", marks=pytest.mark.matrix)],
)
def test_a_rejected_connection_is_refused_and_what_it_says_brings_the_path_back(
    owners: Owners, capsys: pytest.CaptureFixture[str], before: int
) -> None:
    for side, code in (("aws", 3), ("databricks", 3), ("aws", 0), ("databricks", 0))[:before]:
        assert owners.run("provision", side, "--timeout", "0.5s") == code
    clients, emulator = owners.ground.clients, owners.ground.emulator
    [service] = clients.ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
    [rule] = emulator.account.rules()
    endpoint = str(rule.vpc_endpoint_id)
    clients.ec2.reject_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    capsys.readouterr()
    mark = emulator.log.mark()
    assert owners.run("provision", "aws") == 2
    assert emulator.log.writes(mark) == []
    said = capsys.readouterr().err
    assert f"{endpoint} was rejected at endpoint service {service['ServiceId']}" in said
    assert f"delete its rule {rule.id} (databricks account network-connectivity delete-private-endpoint-rule)" in said
    clients.account.network_connectivity.delete_private_endpoint_rule(rule.ncc_id, rule.id)
    for side, code in (("databricks", 3), ("aws", 0), ("databricks", 0)):
        assert owners.run("provision", side, "--timeout", "0.5s") == code
