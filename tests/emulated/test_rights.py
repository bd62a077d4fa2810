"""Who asks: a Unity Catalog service credential and a secret scope stand in for keys in the environment."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from emulated.ground import Ground
from s3private.cli import main
from s3private_emulator.emulator import Emulator

TOKEN = "emulated-workspace-token"


class WorkspaceDesk:
    """What a workspace hands out to who may ask: a service credential's keys, and secrets."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.role = f"arn:aws:iam::{emulator.world.base_account}:role/s3private-base"
        self.secrets = {
            ("s3p", "client-id"): emulator.world.client_id,
            ("s3p", "client-secret"): emulator.world.client_secret,
        }
        self.lasts = timedelta(hours=1)
        self.vended = 0
        self.lines: dict[str, str] = {}
        """Of the path file."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, answer = self._answer(environ)
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, dict[str, Any]]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {TOKEN}":
            return "403 Forbidden", {"error_code": "PERMISSION_DENIED", "message": "who are you?"}
        if path == "/api/2.0/secrets/get":
            scope, key = (part.split("=")[1] for part in sorted(query.split("&"), reverse=True))
            value = self.secrets.get((scope, key))
            if value is None:
                return "404 Not Found", {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no secret {key}"}
            return "200 OK", {"key": key, "value": base64.b64encode(value.encode()).decode()}
        if path == "/api/2.1/unity-catalog/temporary-service-credentials":
            body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            if body["credential_name"] != "s3private_base":
                return "404 Not Found", {"error_code": "CREDENTIAL_DOES_NOT_EXIST", "message": "no such credential"}
            return "200 OK", self._vend()
        return "404 Not Found", {"error_code": "ENDPOINT_NOT_FOUND", "message": path}

    def _vend(self) -> dict[str, Any]:
        self.vended += 1
        keys = self.emulator.aws.session(self.role, "databricks")
        return {
            "aws_temp_credentials": {
                "access_key_id": keys.access_key_id,
                "secret_access_key": keys.secret_access_key,
                "session_token": keys.session_token,
            },
            "expiration_time": int((datetime.now(UTC) + self.lasts).timestamp() * 1000),
        }


@pytest.fixture
def desk(emulator: Emulator, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> WorkspaceDesk:
    """No AWS keys in the environment: the workspace's token is all there is to begin with."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "pat")
    desk = WorkspaceDesk(emulator)
    desk.lines = {
        "vpc_id": f'"{emulator.world.vpc.id}"\nservice_credential = "s3private_base"',
        "workspace_ids": f'[]\nworkspace_host = "{emulator.serve(desk)}"',
    }
    ground.write(**desk.lines)
    return desk


def provision(file: Path, *options: str) -> int:
    return main(["provision", str(file), "--poll", "0.01", *options])


def test_the_path_is_built_with_a_service_credential_that_assumes_the_role(ground: Ground, desk: WorkspaceDesk) -> None:
    assert provision(ground.file) == 0
    assert desk.vended == 1
    assumed = [r for r in ground.emulator.log.since() if r.operation == "sts:AssumeRole"]
    assert len(assumed) == 1


def test_a_service_credentials_keys_are_asked_for_again_before_they_run_out(
    ground: Ground, desk: WorkspaceDesk
) -> None:
    desk.lasts = timedelta(minutes=5)
    text = ground.file.read_text(encoding="utf-8")
    ground.file.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("role", "external"))))
    desk.role = ground.emulator.world.role_arn
    ec2 = ground.clients.ec2
    ec2.describe_subnets()
    ec2.describe_subnets()
    assert desk.vended >= 2
    desk.lasts = timedelta(hours=1)
    ec2.describe_subnets()
    vended = desk.vended
    ec2.describe_subnets()
    assert desk.vended == vended


def test_a_service_credential_that_is_not_there_is_said_in_databricks_words(
    ground: Ground, desk: WorkspaceDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.write(**{**desk.lines, "vpc_id": f'"{ground.emulator.world.vpc.id}"\nservice_credential = "misspelt"'})
    assert provision(ground.file) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "service credential misspelt: CREDENTIAL_DOES_NOT_EXIST" in line


def test_the_accounts_client_id_and_secret_come_from_a_secret_scope(
    ground: Ground, desk: WorkspaceDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    monkeypatch.delenv("DATABRICKS_CLIENT_SECRET")
    assert provision(ground.file, "--secret-scope", "s3p") == 0


def test_other_keys_of_the_scope_can_be_named(
    ground: Ground, desk: WorkspaceDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    monkeypatch.delenv("DATABRICKS_CLIENT_SECRET")
    desk.secrets = {("s3p", "id"): ground.emulator.world.client_id, ("s3p", "s"): ground.emulator.world.client_secret}
    assert provision(ground.file, "--secret-scope", "s3p", "--client-id-key", "id", "--client-secret-key", "s") == 0


def test_a_secret_that_is_not_there_is_named_and_no_cloud_is_called(
    ground: Ground, desk: WorkspaceDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.secrets = {}
    assert provision(ground.file, "--secret-scope", "s3p") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "secret client-id of scope s3p: RESOURCE_DOES_NOT_EXIST" in line
    assert ground.emulator.log.since() == []


def test_an_empty_scope_is_none_as_a_jobs_parameter_has_it(ground: Ground, desk: WorkspaceDesk) -> None:
    assert provision(ground.file, "--secret-scope", "") == 0
