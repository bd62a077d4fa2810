"""Whether whoever signed a request to a query API may make it: each action and resource that the request needs.

What a call needs beside itself: the tags that it puts on are `CreateTags` or `AddTags` with a `CreateAction`, and the
first load balancer or target group of an account asks for the service-linked role.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends

from s3private_emulator.aws.cloud import Cloud, Region
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.identities import identity_verdict, tags_of, why
from s3private_emulator.aws.policies import Asked, Verdict
from s3private_emulator.aws.refusals import Refusal

READS = ("Describe", "Get", "List")
"""Without a resource of their own."""
EC2_TYPES = {
    "vpce-svc": "vpc-endpoint-service",
    "vpce": "vpc-endpoint",
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "rtb": "route-table",
    "eni": "network-interface",
    "acl": "network-acl",
    "igw": "internet-gateway",
    "pl": "prefix-list",
}
"""Prefix of an id -> type in its ARN."""
EC2_MADE = {
    "CreateVpcEndpointServiceConfiguration": "vpc-endpoint-service",
    "CreateVpcEndpoint": "vpc-endpoint",
    "CreateSecurityGroup": "security-group",
    "CreateVpc": "vpc",
    "CreateSubnet": "subnet",
    "CreateRouteTable": "route-table",
    "CreateNetworkAcl": "network-acl",
    "CreateNetworkInterface": "network-interface",
    "CreateInternetGateway": "internet-gateway",
    "CreateManagedPrefixList": "prefix-list",
}
OTHERS_NAMED = ("AcceptVpcEndpointConnections", "RejectVpcEndpointConnections")
"""The endpoints they name are somebody else's: the right is on the service."""
SERVICE_LINKED_ROLE = "AWSServiceRoleForElasticLoadBalancing"
_ID = re.compile(r"(vpce-svc|[a-z]+)-[0-9a-f]+")
_TAGGED = ("CreateLoadBalancer", "CreateTargetGroup", "CreateListener")


Context = dict[str, str | list[str]]


@dataclass(frozen=True, kw_only=True)
class Need:
    """`resource` is empty for an action that has none of its own."""

    action: str
    resource: str = ""
    context: Context = field(default_factory=dict)


def common_context(caller: Credential, region: str) -> Context:
    """The keys that every request has.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
    context: Context = {
        "aws:principalarn": caller.role_arn or caller.arn,
        "aws:principalaccount": caller.account,
        "aws:principaltype": "AssumedRole" if caller.role_arn else "User",
        "aws:requestedregion": region,
        "aws:securetransport": "true",
        "aws:userid": caller.user_id,
    }
    return context | {f"aws:principaltag/{k.lower()}": v for k, v in tags_of(caller).items()}


def authorize(cloud: Cloud, caller: Credential, region: str, service: str, action: str, params: Any) -> None:
    """Raises Refusal at the first need that is not allowed."""
    if action == "GetCallerIdentity" or (service, action) == ("sts", "AssumeRole"):
        # The first needs no right; the second is asked together with the role's trust.
        return
    here = cloud.region(caller.account, region)
    for need in _needs(here, service, action, params):
        asked = Asked(
            caller=caller,
            action=need.action,
            resource=need.resource or "*",
            context=common_context(caller, region) | need.context,
        )
        verdict = identity_verdict(asked)
        if verdict is not Verdict.ALLOW:
            raise _refusal(service, asked, need, verdict)


def _refusal(service: str, asked: Asked, need: Need, verdict: Verdict) -> Refusal:
    caller = asked.caller
    on = f" on resource: {need.resource}" if need.resource else ""
    whose = caller.arn if caller else ""
    said = f"User: {whose} is not authorized to perform: {need.action}{on} {why(verdict, need.action)}"
    if service != "ec2":
        return Refusal("AccessDenied", said, 403)
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    said = f"You are not authorized to perform this operation. {said}"
    if need.resource:
        said += f". Encoded authorization failure message: {encoded(asked, verdict)}"
    return Refusal("UnauthorizedOperation", said, 403)


def encoded(asked: Asked, verdict: Verdict) -> str:
    """What `sts:DecodeAuthorizationMessage` reads.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html"""
    caller = asked.caller
    text = json.dumps(
        {
            "allowed": False,
            "explicitDeny": verdict is Verdict.DENY,
            "matchedStatements": {"items": []},
            "failures": {"items": []},
            "context": {
                "principal": {"id": caller.user_id if caller else "", "arn": caller.arn if caller else ""},
                "action": asked.action,
                "resource": asked.resource,
                "conditions": {"items": [{"key": k, "values": v} for k, v in sorted(asked.context.items())]},
            },
        }
    )
    return base64.urlsafe_b64encode(zlib.compress(text.encode())).decode().rstrip("=")


def decoded(message: str) -> str:
    """Raises ValueError."""
    try:
        return zlib.decompress(base64.urlsafe_b64decode(message + "=" * (-len(message) % 4))).decode()
    except zlib.error as error:
        raise ValueError(message) from error


def _needs(here: Region, service: str, action: str, params: Any) -> Iterator[Need]:
    if service == "ec2":
        yield from _ec2(here, action, params)
    elif service == "elasticloadbalancing":
        yield from _elb(here, action, params)
    elif service == "iam":
        yield Need(action=f"iam:{action}", resource=_iam_resource(here.account, params))
    else:
        yield Need(action=f"{service}:{action}")


def _ec2(here: Region, action: str, params: Any) -> Iterator[Need]:
    name = f"ec2:{action}"
    if action.startswith(READS):
        yield Need(action=name)
        return
    arn = f"arn:aws:ec2:{here.name}:{here.account}:"
    asked = _requested(t for spec in params.get("TagSpecifications") or [] for t in spec.get("Tags") or [])
    made = EC2_MADE.get(action)
    if made:
        yield Need(action=name, resource=f"{arn}{made}/*", context=asked)
    given: Context = _requested(params.get("Tags") or []) if action in ("CreateTags", "DeleteTags") else {}
    ids = {one: EC2_TYPES[one.rpartition("-")[0]] for one in _ids(params) if one.rpartition("-")[0] in EC2_TYPES}
    for one, kind in ids.items():
        if action not in OTHERS_NAMED or kind == "vpc-endpoint-service":
            tags = _resource_tags(here.network.tags.get(one, {}), "ec2")
            yield Need(action=name, resource=f"{arn}{kind}/{one}", context=given | tags)
    if not made and not ids:
        yield Need(action=name, resource="*")
    if made and asked:
        yield Need(action="ec2:CreateTags", resource=f"{arn}{made}/*", context=asked | {"ec2:createaction": action})


def _ids(params: Any) -> list[str]:
    """The resources that a request names, in the order of its parameters."""
    values = [v for value in params.values() for v in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(v for v in values if isinstance(v, str) and _ID.fullmatch(v)))


def _elb(here: Region, action: str, params: Any) -> Iterator[Need]:
    name = f"elasticloadbalancing:{action}"
    if action.startswith(READS):
        yield Need(action=name)
        return
    arn = f"arn:aws:elasticloadbalancing:{here.name}:{here.account}:"
    asked = _requested(params.get("Tags") or [])
    stem = {
        "CreateLoadBalancer": f"{arn}loadbalancer/net/{params.get('Name')}/*",
        "CreateTargetGroup": f"{arn}targetgroup/{params.get('Name')}/*",
    }.get(action)
    if stem:
        yield Need(action=name, resource=stem, context=asked)
    named = [params[k] for k in ("ListenerArn", "TargetGroupArn", "LoadBalancerArn") if params.get(k)][:1]
    for one in [] if stem else [*named, *(params.get("ResourceArns") or [])]:
        tags = _resource_tags(_elb_tags(here, one), "elasticloadbalancing")
        yield Need(action=name, resource=one, context=asked | tags)
    if action in _TAGGED and asked:
        under = str(params.get("LoadBalancerArn")).replace(":loadbalancer/", ":listener/") + "/*"
        context = asked | {"elasticloadbalancing:createaction": action}
        yield Need(action="elasticloadbalancing:AddTags", resource=stem or under, context=context)
    if action in ("CreateLoadBalancer", "CreateTargetGroup") and not _linked(here.account):
        yield Need(
            action="iam:CreateServiceLinkedRole",
            resource=f"arn:aws:iam::{here.account}:role/aws-service-role/elasticloadbalancing.amazonaws.com/"
            + SERVICE_LINKED_ROLE,
            context={"iam:awsservicename": "elasticloadbalancing.amazonaws.com"},
        )


def _linked(account: str) -> bool:
    roles = iam_backends[account]["aws"].roles.values()
    return any(role.name == SERVICE_LINKED_ROLE for role in roles)


def link_elb(account: str) -> None:
    """The service makes its role with the first load balancer or target group of an account.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html"""
    if not _linked(account):
        iam_backends[account]["aws"].create_role(
            role_name=SERVICE_LINKED_ROLE,
            assume_role_policy_document=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "elasticloadbalancing.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
            path="/aws-service-role/elasticloadbalancing.amazonaws.com/",
            permissions_boundary=None,
            description="",
            tags=[],
            max_session_duration="3600",
            linked_service="elasticloadbalancing.amazonaws.com",
        )


def _elb_tags(here: Region, arn: str) -> Mapping[str, str]:
    found = here.load_balancers.get(arn) or here.target_groups.get(arn) or here.listeners.get(arn)
    return found.tags if found is not None else {}


def _requested(tags: Any) -> Context:
    given = {str(t.get("Key")): str(t.get("Value") or "") for t in tags}
    if not given:
        return {}
    return {"aws:tagkeys": list(given)} | {f"aws:requesttag/{k.lower()}": v for k, v in given.items()}


def _resource_tags(tags: Mapping[str, str], service: str) -> Context:
    return {f"{prefix}:resourcetag/{k.lower()}": v for prefix in ("aws", service) for k, v in tags.items()}


def _iam_resource(account: str, params: Any) -> str:
    for kind, key in (("role", "RoleName"), ("user", "UserName"), ("policy", "PolicyName"), ("group", "GroupName")):
        if params.get(key):
            return f"arn:aws:iam::{account}:{kind}/{params[key]}"
    return str(params.get("PolicyArn") or "*")
