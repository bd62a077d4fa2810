"""Tags on what moto does not keep itself. EC2's live in moto's own tag store, so that DescribeTags shows them."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.tags import TagResponse

from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.refusals import Refusal, not_found


def specified(specifications: list[dict[str, Any]], resource_type: str) -> dict[str, str]:
    """The tags of `TagSpecifications`, which must name the resource type being made.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html"""
    tags: dict[str, str] = {}
    for one in specifications:
        if one.get("ResourceType") != resource_type:
            raise Refusal(
                "InvalidParameterValue",
                f"'{one.get('ResourceType')}' is not a valid taggable resource type for this operation.",
            )
        tags.update({t["Key"]: t.get("Value", "") for t in one.get("Tags", [])})
    return tags


class TagActions(Answering, TagResponse):
    def create_tags(self) -> ActionResult:
        self._exist()
        return super().create_tags()

    def delete_tags(self) -> ActionResult:
        self._exist()
        return super().delete_tags()

    def _exist(self) -> None:
        for resource_id in self._get_param("Resources", []):
            if resource_id.startswith("vpce-svc-"):
                if resource_id not in self.here.services:
                    raise not_found("InvalidVpcEndpointServiceId.NotFound", "VpcEndpointService Id", resource_id)
            elif resource_id.startswith("vpce-") and resource_id not in self.here.endpoints:
                raise not_found("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", resource_id)
