"""The work does not hang on who reads what it says; and a program that asked for JSON gets it, however it ends."""

from __future__ import annotations

import errno
import io
import json
import sys
from typing import Any

import botocore.client
import pytest

from emulated.ground import Ground
from s3private import cli, output
from s3private.cli import main
from s3private.errors import S3PrivateError
from s3private.provision.engine import Action, Change, Outcome, Report
from s3private_emulator.faults import Fault, Planned


class Gone(io.StringIO):
    """What is written to it goes nowhere, with that error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tried = 0

    def write(self, _text: str) -> int:
        self.tried += 1
        raise self.error

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


GONE: dict[str, Any] = {
    "closed pipe": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "full disk": OSError(errno.ENOSPC, "No space left on device"),
    "closed": ValueError("I/O operation on closed file"),
}


def test_provision_and_destroy_go_on_to_their_end_where_nobody_reads(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb, more in (("provision", []), ("destroy", ["--confirm", "demo"])):
        pipe = Gone(GONE["closed pipe"])
        monkeypatch.setattr(sys, "stderr", pipe)
        monkeypatch.setattr(sys, "stdout", Gone(GONE["closed pipe"]))
        code = main([verb, str(ground.file), "--poll", "0.01", *more])
        assert code in (0, 3)
        assert pipe.tried > 1
    assert region_is_empty(ground)


def region_is_empty(ground: Ground) -> bool:
    return ground.clients.elbv2.describe_load_balancers()["LoadBalancers"] == []


@pytest.mark.parametrize("gone", GONE)
def test_what_is_said_aside_never_ends_the_work(monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    monkeypatch.setattr(sys, "stderr", Gone(GONE[gone]))
    output.aside("x")


def test_what_is_said_aside_is_no_result_where_standard_error_is_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    output.aside("x")
    assert capsys.readouterr().out == ""


def test_a_result_that_nobody_reads_is_no_error_and_one_that_cannot_be_kept_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone(GONE["closed pipe"]))
    output.result("x")
    monkeypatch.setattr(sys, "stdout", Gone(GONE["full disk"]))
    with pytest.raises(S3PrivateError, match="cannot write to standard output: No space left on device"):
        output.result("x")


@pytest.mark.parametrize("verb", ["plan", "provision", "maintain"])
def test_json_is_given_where_credentials_lack(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.delenv("DATABRICKS_CLIENT_SECRET")
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    assert main([verb, str(ground.file), "-o", "json"]) == 2
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["verb"], document["outcome"]) == (verb, "refused")
    assert said.err == f"s3private: {document['message']}\n"
    assert set(document) == {"verb", "path", "outcome", "message", "where", "changes", "notes"}


def test_a_boto3_that_is_too_old_is_said_before_anything_is_written(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    creator: Any = botocore.client.ClientCreator
    made = creator._create_methods

    def without(self: Any, service_model: Any) -> Any:
        methods = made(self, service_model)
        methods.pop("describe_listener_attributes", None)
        return methods

    monkeypatch.setattr(creator, "_create_methods", without)
    mark = ground.emulator.log.mark()
    assert main(["provision", str(ground.file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "this command needs boto3 1.36 or newer: pip install 's3private[provision]'" in line
    assert ground.emulator.log.writes(mark) == []


def test_the_last_line_counts_the_conflicts_that_it_does_not_name(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = tuple(Change(step=name, action=Action.CONFLICT, reason=f"{name} is theirs") for name in "abc")
    report = Report(verb="plan", changes=changes, outcome=Outcome.REFUSED, message="a is theirs")
    monkeypatch.setattr(cli, "report_of", lambda _arguments: (report, "demo"))
    assert main(["plan", str(ground.file)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "s3private: a is theirs (and 2 more that a person must decide: see above)"


def test_a_confirmation_of_another_path_is_named(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["destroy", str(ground.file), "--confirm", "prod"]) == 2
    assert "add --confirm demo (not prod)" in capsys.readouterr().err


def test_an_encoded_refusal_names_the_command_that_reads_it(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    code = "aB-9_" * 300
    said = f"You are not authorized to perform this operation. Encoded authorization failure message: {code}"
    ground.emulator.faults.add(
        Planned(
            operation="ec2:CreateSecurityGroup",
            fault=Fault.ERROR,
            code="UnauthorizedOperation",
            status=403,
            message=said,
        )
    )
    assert main(["provision", str(ground.file)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"`aws sts decode-authorization-message --encoded-message {code}` says why" in last
