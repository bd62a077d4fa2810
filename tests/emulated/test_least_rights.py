"""The policies of docs/production.md are enough, and nothing in them is too much: a role without one action of them is
refused, in one line that names the action."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest
from moto.iam.models import iam_backends

from emulated.conftest import prepared
from emulated.ground import Ground
from emulated.scenarios import break_by_hand
from s3private.errors import PlatformError
from s3private.provision.engine import Outcome, Report
from s3private_emulator.aws import rights
from s3private_emulator.emulator import Emulator
from s3private_emulator.log import Request

ENDED = (Outcome.SETTLED, Outcome.RUN_AGAIN)
"""A rule that was deleted stays for days: then destroy is to be run again."""
NAMES = {"ec2": "ec2", "elbv2": "elasticloadbalancing"}
OF_A_MOVE = {
    "ec2:ModifyVpcEndpointServiceConfiguration",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:SetSubnets",
}
"""Mending what these lives do not break: the page's test holds them against the calls of the steps."""


def let(ground: Ground, *denied: str) -> None:
    """The provisioner's policy, and a deny of some actions."""
    world = ground.emulator.world
    role = iam_backends[world.data_account]["aws"].get_role(world.role_name)
    policy = rights.provisioner(world.region)
    if denied:
        policy["Statement"].append({"Effect": "Deny", "Action": list(denied), "Resource": "*"})
    role.policies = {"it": json.dumps(policy)}


def asked(requests: Sequence[Request]) -> set[str]:
    """The actions of a log, with what they need beside themselves."""
    actions = set()
    for one in requests:
        service, _, name = one.operation.partition(":")
        if one.account and service in NAMES:
            actions.add(f"{NAMES[service]}:{name}")
            if name.startswith("Create") and any(k.startswith(("Tags.", "TagSpecification")) for k in one.params):
                actions.add("ec2:CreateTags" if service == "ec2" else "elasticloadbalancing:AddTags")
    return actions


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each verb asks for, by the page's policy alone."""
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        ground = prepared(emulator, tmp_path_factory.mktemp("life"), environment)
        verbs: dict[str, set[str]] = {}

        def run(name: str, act: Any) -> Report:
            mark = emulator.log.mark()
            report: Report = act()
            verbs[name] = asked(emulator.log.since(mark))
            return report

        run("plan", ground.plan)
        assert run("provision", ground.provision).outcome is Outcome.SETTLED
        break_by_hand(ground)
        assert run("mend", ground.provision).outcome is Outcome.SETTLED
        assert run("destroy", ground.destroy).outcome in ENDED
    return verbs


def test_every_action_of_the_policy_is_asked_for_by_some_verb(life: dict[str, set[str]]) -> None:
    everything = set().union(*life.values())
    assert set(rights.BUILD_AND_REMOVE) - everything - OF_A_MOVE == set()
    assert {a for a in everything if "Describe" not in a} <= set(rights.BUILD_AND_REMOVE)
    assert not any("Describe" not in action for action in life["plan"])
    looks = [one.partition(":")[0] for one in life["plan"]]
    assert {"ec2", "elasticloadbalancing"} == set(looks)


@pytest.fixture(scope="module")
def empty(life: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """After the one before has ended: one emulated AWS lives at a time."""
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        yield prepared(emulator, tmp_path_factory.mktemp("empty"), environment)


def refused(report: Report, action: str) -> bool:
    """Whether it ended because of the action, in one line that names it."""
    said = report.message
    return report.outcome not in ENDED and action in said and "\n" not in said


CREATED = [
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateVpcEndpoint",
    "elasticloadbalancing:CreateTargetGroup",
    "elasticloadbalancing:AddTags",
    "iam:CreateServiceLinkedRole",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:CreateLoadBalancer",
    "elasticloadbalancing:ModifyLoadBalancerAttributes",
    "elasticloadbalancing:SetSecurityGroups",
    "elasticloadbalancing:CreateListener",
    "ec2:CreateVpcEndpointServiceConfiguration",
    "ec2:ModifyVpcEndpointServicePermissions",
    "ec2:AcceptVpcEndpointConnections",
]
MENDED = [
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:ModifyVpcEndpoint",
    "elasticloadbalancing:ModifyListenerAttributes",
    "elasticloadbalancing:ModifyTargetGroupAttributes",
]
REMOVED = [
    "ec2:RejectVpcEndpointConnections",
    "ec2:DeleteVpcEndpointServiceConfigurations",
    "elasticloadbalancing:DeleteListener",
    "elasticloadbalancing:DeleteLoadBalancer",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DeleteTargetGroup",
    "ec2:DeleteVpcEndpoints",
    "ec2:DeleteSecurityGroup",
]


def test_one_action_less_is_refused_in_a_line_that_names_it(empty: Ground) -> None:
    """Each denied in turn on the one path, so that each run ends at its own and the next goes on from there."""
    for verb, act, actions in (
        ("provision", empty.provision, CREATED),
        ("mend", empty.provision, MENDED),
        ("destroy", empty.destroy, REMOVED),
    ):
        if verb == "mend":
            break_by_hand(empty)
        wanted, seen = set(actions), set[str]()
        while wanted - seen:
            let(empty, *(wanted - seen))
            report = act()
            named = {a for a in wanted - seen if refused(report, a)}
            assert len(named) == 1, (verb, sorted(wanted - seen), report.outcome, report.message)
            seen |= named
        let(empty)
        report = act()
        assert report.outcome in ENDED, report.message


@pytest.mark.parametrize("action", ["ec2:Describe*", "elasticloadbalancing:Describe*", "ec2:DescribeSubnets"])
def test_who_may_not_look_is_told_which_look(empty: Ground, action: str) -> None:
    let(empty, action)
    with pytest.raises(PlatformError) as refusal:
        empty.plan()
    let(empty)
    (line,) = str(refusal.value).splitlines()
    assert any(fnmatchcase(word, action) for word in line.split()), line
