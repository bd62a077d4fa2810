"""Elastic Load Balancing: network load balancers, their listeners and target groups, and the tags on all three."""

from __future__ import annotations

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, EmptyResult

from s3private_emulator.aws.authorizing import link_elb
from s3private_emulator.aws.cloud import Cloud
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.elb_base import ElbAnswering, tag_rows
from s3private_emulator.aws.listeners import ListenerActions
from s3private_emulator.aws.load_balancers import LoadBalancerActions
from s3private_emulator.aws.targets import TargetActions


class ElbTagActions(ElbAnswering):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html"""

    def add_tags(self) -> ActionResult:
        tags = self.tags_given()
        for held in [self._tags(arn) for arn in self._get_param("ResourceArns", [])]:
            held.update(tags)
        return EmptyResult()

    def remove_tags(self) -> ActionResult:
        for held in [self._tags(arn) for arn in self._get_param("ResourceArns", [])]:
            for key in self._get_param("TagKeys", []):
                held.pop(key, None)
        return EmptyResult()

    def describe_tags(self) -> ActionResult:
        arns = self._get_param("ResourceArns", [])
        return ActionResult(
            {"TagDescriptions": [{"ResourceArn": arn, "Tags": tag_rows(self._tags(arn))} for arn in arns]}
        )

    def _tags(self, arn: str) -> dict[str, str]:
        if ":targetgroup/" in arn:
            return self.target_group(arn).tags
        return self.listener(arn).tags if ":listener/" in arn else self.balancer(arn).tags


class Elb(LoadBalancerActions, ListenerActions, TargetActions, ElbTagActions):
    def __init__(self, cloud: Cloud, caller: Credential | None, region: str) -> None:
        super().__init__(service_name="elbv2")
        self.automated_parameter_parsing = True
        self.cloud, self.caller, self.signed_region = cloud, caller, region

    def call_action(self) -> TYPE_RESPONSE:
        status, headers, body = super().call_action()
        if status < 300 and self._get_action() in ("CreateLoadBalancer", "CreateTargetGroup"):
            link_elb(self.current_account)
        return status, headers, body
