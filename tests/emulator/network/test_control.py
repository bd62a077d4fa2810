"""The emulator's own door."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest

from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator


def call(emulator: Emulator, method: str, path: str, body: object = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{emulator.control_url}/_emulator/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_people_can_read_what_the_clouds_were_asked(emulator: Emulator) -> None:
    sts = boto3.client(
        "sts",
        region_name=emulator.world.region,
        endpoint_url=emulator.aws_url,
        aws_access_key_id=emulator.world.access_key_id,
        aws_secret_access_key=emulator.world.secret_access_key,
    )
    sts.get_caller_identity()
    _, before = call(emulator, "GET", "requests")
    assert before["mark"] > 0
    sts.get_caller_identity()
    sts.close()
    _, after = call(emulator, "GET", f"requests?since={before['mark']}")
    assert [request["operation"] for request in after["requests"]] == ["sts:GetCallerIdentity"]
    assert after["mark"] == before["mark"] + 1


def test_delays_are_read_and_changed_in_words(emulator: Emulator) -> None:
    status, delays = call(emulator, "PUT", "delays", {"rule-established": "3 polls", "target-healthy": "1.5 s"})
    assert (status, delays["rule-established"], delays["target-healthy"]) == (200, "3 polls", "1.5 s")
    assert emulator.delays.now()[Takes.RULE_ESTABLISHED] == Delay(polls=3)
    assert call(emulator, "GET", "delays")[1] == delays
    assert set(delays) == {takes.value for takes in Takes}


@pytest.mark.parametrize("wrong", [{"rule-establish": "3 polls"}, {"rule-established": "soon"}, ["3 polls"]])
def test_a_wrong_delay_is_refused_and_changes_nothing(emulator: Emulator, wrong: object) -> None:
    before = emulator.delays.now()
    assert call(emulator, "PUT", "delays", wrong)[0] == 400
    assert emulator.delays.now() == before


def test_the_world_is_told_without_its_secrets(emulator: Emulator) -> None:
    _, world = call(emulator, "GET", "world")
    assert world["role_arn"] == emulator.world.role_arn
    assert world["buckets"]["hr-records"] == ["people.csv"]
    text = json.dumps(world)
    assert emulator.world.secret_access_key not in text
    assert emulator.world.client_secret not in text


def test_a_stranger_finds_no_service_where_there_is_none(emulator: Emulator) -> None:
    status, said = call(emulator, "POST", "stranger", {"service_name": "com.amazonaws.vpce.x.vpce-svc-0"})
    assert status == 404
    assert "com.amazonaws.vpce.x.vpce-svc-0" in said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "moon", 404),
        ("POST", "world", 405),
        ("GET", "resolve?from=moon&name=x", 400),
        ("GET", "resolve?from=serverless:1&name=x", 404),
        ("GET", "reach?from=vpc&via=moon&port=443", 400),
        ("GET", "requests?since=now", 400),
        ("POST", "stranger", 400),
    ],
)
def test_a_wrong_question_is_refused(emulator: Emulator, method: str, path: str, status: int) -> None:
    assert call(emulator, method, path, {} if method == "POST" else None)[0] == status
