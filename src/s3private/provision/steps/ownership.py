"""What is this path's, in one place: it carries the path's tag, it is of the shape that the path makes, and its owner
mark is that of who runs this.

A tag alone is put on by anybody, and lost by anybody: what carries it in another shape is somebody else's, and what is
of our name or at our hop without it is not made a second time. A path of the same name run by somebody else (another
target, another developer) carries another owner mark, and is never crossed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from s3private.provision.config import PathConfig
from s3private.provision.engine import Unsure

PATH_TAG = "s3private:path"
OWNER_TAG = "s3private:owner"

AT_ONCE = timedelta(hours=6)
"""What two runs at once made is no further apart: a run takes an hour or two at the most. An older one is somebody's
own."""

Tags = Iterable[Mapping[str, Any]]


def is_own_load_balancer(arn: str, config: PathConfig) -> bool:
    """Whether it is a network load balancer of the path's name, which is one in its account and region."""
    own = f"arn:{config.partition}:elasticloadbalancing:{config.region}:{config.aws_account_id}:loadbalancer/net/"
    return bool(re.fullmatch(rf"{re.escape(own + config.resource_name)}/[0-9a-f]+", arn, re.ASCII))


@dataclass(frozen=True)
class Mark:
    """The tags of one path. owner: who runs it, or empty where the path file does not say. more: the organisation's."""

    path: str
    owner: str
    resource_name: str
    more: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, config: PathConfig) -> Mark:
        return cls(config.name, config.owner or "", config.resource_name, config.tags)

    @property
    def tags(self) -> list[Any]:
        """Of whatever is made. EC2 and Elastic Load Balancing spell a tag alike; their type stubs do not know it."""
        named = {**dict(self.more), "Name": self.resource_name, **self._own}
        return [{"Key": key, "Value": value} for key, value in named.items()]

    @property
    def _own(self) -> dict[str, str]:
        return {PATH_TAG: self.path, **({OWNER_TAG: self.owner} if self.owner else {})}

    def is_on(self, what: str, tags: Tags) -> bool:
        """Whether the path's tag is there. Raises Unsure where it is, with somebody else's owner mark."""
        held = {str(tag.get("Key")): str(tag.get("Value", "")) for tag in tags}
        if held.get(PATH_TAG) != self.path:
            return False
        if (other := held.get(OWNER_TAG, "")) != self.owner:
            raise Unsure(
                f"{what} belongs to the path {self.path} of {_whose(other)}, and this is run as {_whose(self.owner)}: "
                "give your path another path.name, or run it as its owner (path.owner in the path file, or --owner)"
            )
        return True

    def lost(self, what: str, resource: str, why: str) -> Unsure:
        """For what looks like this path's and does not carry its tag. resource: what `create-tags` is given."""
        return Unsure(f"{what} {why} without the tag {PATH_TAG}={self.path}: {self._put_it_back(resource)}")

    def _put_it_back(self, resource: str) -> str:
        if resource.startswith("arn:"):
            command = f"aws elbv2 add-tags --resource-arns {resource}"
        else:
            command = f"aws ec2 create-tags --resources {resource}"
        tags = " ".join(f"Key={key},Value={value}" for key, value in self._own.items())
        return (
            f"if it is this path's, put it back ({command} --tags {tags}); else it is somebody else's: rename the path"
        )


def _whose(owner: str) -> str:
    return owner or "nobody in particular"
