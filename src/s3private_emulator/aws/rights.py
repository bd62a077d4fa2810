"""The policies of the world's identities: exactly those that docs/production.md gives to copy.

A test holds the page against them, so what the page says is what the emulated AWS lets a path do.
"""

from __future__ import annotations

from typing import Any

Policy = dict[str, Any]

BUILD_AND_REMOVE = (
    "ec2:AcceptVpcEndpointConnections",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:CreateVpcEndpoint",
    "ec2:CreateVpcEndpointServiceConfiguration",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVpcEndpointServiceConfigurations",
    "ec2:DeleteVpcEndpoints",
    "ec2:ModifyVpcEndpoint",
    "ec2:ModifyVpcEndpointServiceConfiguration",
    "ec2:ModifyVpcEndpointServicePermissions",
    "ec2:RejectVpcEndpointConnections",
    "elasticloadbalancing:AddTags",
    "elasticloadbalancing:CreateListener",
    "elasticloadbalancing:CreateLoadBalancer",
    "elasticloadbalancing:CreateTargetGroup",
    "elasticloadbalancing:DeleteListener",
    "elasticloadbalancing:DeleteLoadBalancer",
    "elasticloadbalancing:DeleteTargetGroup",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyListenerAttributes",
    "elasticloadbalancing:ModifyLoadBalancerAttributes",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:ModifyTargetGroupAttributes",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:SetSecurityGroups",
    "elasticloadbalancing:SetSubnets",
)


UNITY_CATALOG = "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL"
"""https://docs.databricks.com/en/connect/unity-catalog/cloud-services/service-credentials.html"""


def _document(*statements: Policy) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ADMINISTRATOR = _document({"Effect": "Allow", "Action": "*", "Resource": "*"})


def provisioner(region: str) -> Policy:
    """Makes and removes the path, in one region; reads no object."""
    return _document(
        {
            "Sid": "Look",
            "Effect": "Allow",
            "Action": ["ec2:Describe*", "elasticloadbalancing:Describe*"],
            "Resource": "*",
        },
        {
            "Sid": "BuildAndRemove",
            "Effect": "Allow",
            "Action": list(BUILD_AND_REMOVE),
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
        },
        {
            "Sid": "FirstLoadBalancerOfTheAccount",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        },
    )


def base(role_arn: str) -> Policy:
    """Assumes the provisioner, nothing else."""
    return _document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn})


def reader(bucket: str) -> Policy:
    return _document(
        {
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"],
            "Resource": f"arn:aws:s3:::{bucket}",
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": f"arn:aws:s3:::{bucket}/*",
        },
    )


def trust(principal: str | list[str], external_id: str) -> Policy:
    """Who may become a role, and only with the external id."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": principal},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        }
    )
