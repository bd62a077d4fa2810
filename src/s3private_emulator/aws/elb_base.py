"""What every Elastic Load Balancing action shares: names, tags, and finding things by ARN."""

from __future__ import annotations

import re
from collections.abc import Mapping

from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.cloud import Listener, LoadBalancer, TargetGroup
from s3private_emulator.aws.refusals import Refusal

NAME_CHARACTERS = 32


def check_name(what: str, name: str | None) -> str:
    """At most 32 letters, digits and hyphens, none at either end, not `internal-…`.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html"""
    if not name:
        raise Refusal("ValidationError", f"A {what} name must be specified")
    if len(name) > NAME_CHARACTERS:
        raise Refusal(
            "ValidationError", f"The {what} name '{name}' cannot be longer than '{NAME_CHARACTERS}' characters"
        )
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", name):
        raise Refusal(
            "ValidationError",
            f"The {what} name '{name}' can only contain characters that are alphanumeric characters or hyphens(-), and "
            "must not begin or end with a hyphen",
        )
    if name.startswith("internal-"):
        raise Refusal("ValidationError", f"The {what} name '{name}' cannot begin with 'internal-'")
    return name


def check_number(name: str, value: object, low: int, high: int) -> str:
    """The value as text, if it is a whole number in the range; ValidationError otherwise."""
    try:
        number = int(str(value))
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise Refusal("ValidationError", f"'{value}' is not valid for {name}: it must be between {low} and {high}")
    return str(number)


def tag_rows(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class ElbAnswering(Answering):
    def tags_given(self) -> dict[str, str]:
        return {t["Key"]: t.get("Value", "") for t in self._get_param("Tags", []) or []}

    def balancer(self, arn: str) -> LoadBalancer:
        balancer = self.here.load_balancers.get(arn)
        if balancer is None:
            raise Refusal("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return balancer

    def listener(self, arn: str) -> Listener:
        listener = self.here.listeners.get(arn)
        if listener is None:
            raise Refusal("ListenerNotFound", f"Listener '{arn}' not found")
        return listener

    def target_group(self, arn: str) -> TargetGroup:
        group = self.here.target_groups.get(arn)
        if group is None:
            raise Refusal("TargetGroupNotFound", f"Target groups '{arn}' not found")
        return group

    def arn(self, kind: str, rest: str) -> str:
        return f"arn:aws:elasticloadbalancing:{self.region}:{self.current_account}:{kind}/{rest}"
