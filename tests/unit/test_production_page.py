"""docs/production.md: what is copied from it is whole, and names what the code does."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from s3private.provision.config import PathConfig
from s3private_emulator.aws import rights

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
POLICIES: list[Any] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
_CALL = re.compile(r"\b(ec2|elbv2)\.([a-z_]+)\(")
_PREFIX = {"ec2": "ec2", "elbv2": "elasticloadbalancing"}
_NO_ACTIONS = ("get_paginator", "get_waiter")


def statement(sid: str) -> dict[str, Any]:
    (found,) = [one for policy in POLICIES for one in policy["Statement"] if one.get("Sid") == sid]
    return dict(found)


def called() -> set[str]:
    """The actions behind the calls of the steps."""
    steps = (REPOSITORY / "src/s3private/provision/steps").glob("*.py")
    calls = {call for file in steps for call in _CALL.findall(file.read_text("utf-8"))}
    return {
        f"{_PREFIX[service]}:{''.join(word.capitalize() for word in name.split('_'))}"
        for service, name in calls
        if name not in _NO_ACTIONS
    }


def test_the_provisioners_policy_allows_what_the_steps_call_and_nothing_else() -> None:
    allowed = [*statement("Look")["Action"], *statement("BuildAndRemove")["Action"]]
    assert len(called()) > 40
    assert {one for one in called() if not any(fnmatchcase(one, pattern) for pattern in allowed)} == set()
    # Tags are put on by the calls that create.
    assert {one for one in allowed if "*" not in one} - called() <= {"elasticloadbalancing:AddTags"}


BASE = "arn:aws:iam::111111111111:role/s3private-base"
PROVISIONER = "arn:aws:iam::222222222222:role/s3private-provisioner"
READER = "arn:aws:iam::222222222222:role/s3private-reader"


@pytest.mark.parametrize(
    "held",
    [
        rights.provisioner("eu-west-1"),
        rights.trust(BASE, "<aws.external_id of the path file>"),
        rights.trust([rights.UNITY_CATALOG, READER], "<external id of the service credential>"),
        rights.base(PROVISIONER),
        rights.reader("sales-records"),
    ],
)
def test_the_emulated_identities_have_the_policies_of_the_page(held: dict[str, Any]) -> None:
    assert held in POLICIES


def test_the_endpoint_policy_is_the_one_that_provision_writes() -> None:
    config = PathConfig.load(REPOSITORY / "paths/demo.toml")
    shown = next(p for p in POLICIES if p["Statement"][0].get("Sid") == "NamedBucketsOnly")
    assert shown == config.endpoint_policy


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_has_what_aws_asks_for(policy: dict[str, Any]) -> None:
    assert policy["Version"] == "2012-10-17"
    for one in policy["Statement"]:
        assert one["Effect"] in ("Allow", "Deny")
        assert {"Action"} <= set(one)
        assert {"Principal", "Resource"} & set(one)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{file.name}" for file in (REPOSITORY / "docs").glob("*.md"))])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    here = REPOSITORY / page
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", here.read_text("utf-8")):
        file, _, anchor = link.partition("#")
        target = here.parent / file if file else here
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}, link
