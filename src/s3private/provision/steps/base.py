"""What every AWS step and every account step shares: whose words count as a refusal, and how they are quoted."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from databricks.sdk.errors.base import DatabricksError
from requests.exceptions import RequestException

from s3private.provision.clients import Clients, databricks_words
from s3private.provision.config import PathConfig
from s3private.provision.engine import AlreadyThere, R, Step, Unsure
from s3private.provision.patience import refused_for_now, reply_lost
from s3private.provision.steps.ownership import PATH_TAG, Mark, Tags

if TYPE_CHECKING:
    from types_boto3_ec2.literals import ResourceTypeType
    from types_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef


_ENCODED = re.compile(r"Encoded authorization failure message: ([\w-]{40,})", re.ASCII)
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html"""


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def listed(shape: Sequence[object]) -> str:
    """What a thing is, in words: what the platform's answer leaves out is left out."""
    return ", ".join(str(one) for one in shape if one is not None) or "of no shape that AWS tells"


@contextmanager
def refusing_doubles(code: str) -> Iterator[None]:
    """Turns the refusal that means "there is one" into the engine's AlreadyThere."""
    try:
        yield
    except ClientError as error:
        if error_code(error) == code:
            raise AlreadyThere(str(error)) from error
        raise


class AwsStep(Step[R], ABC):
    side: ClassVar[str] = "aws"
    refusals: ClassVar[tuple[type[Exception], ...]] = (ClientError, BotoCoreError)

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        self.config = config
        self.ec2 = clients.ec2
        self.elbv2 = clients.elbv2
        self.mark = Mark.of(config)

    def tagged(self, resource_type: ResourceTypeType) -> list[TagSpecificationTypeDef]:
        return [{"ResourceType": resource_type, "Tags": self.mark.tags}]

    def by_tag(self) -> list[FilterTypeDef]:
        """Wherever it is: what carries the tag in another VPC says that the path file is wrong."""
        return [{"Name": f"tag:{PATH_TAG}", "Values": [self.config.name]}]

    def is_ours(self, what: str, tags: Tags) -> bool:
        """See `Mark.is_on`."""
        return self.mark.is_on(what, tags)

    def elsewhere(self, what: str, vpc: str | None) -> Unsure:
        """For what is this path's, in a VPC that the path file does not name: as often a typo as a move."""
        return Unsure(
            f"{what} is this path's and is in {vpc or 'no VPC'}, and aws.vpc_id is {self.config.vpc_id}: mend the key. "
            "Where it is meant, a path is not moved to another VPC: destroy it with the old path file first"
        )

    def of_another_shape(self, what: str, shape: Sequence[object], wanted: Sequence[object]) -> Unsure:
        """For what carries this path's tag and is none that the path makes."""
        return Unsure(
            f"{what} carries this path's tag and is {listed(shape)}, where the path's is {listed(wanted)}: it is "
            "somebody else's. Let them take the tag off, or give your path another path.name"
        )

    def refusal(self, error: Exception) -> str:
        if isinstance(error, ClientError):
            said = error.response.get("Error", {})
            words = f"{said.get('Code', 'error')}: {said.get('Message', '')}".rstrip(": ")
            return _ENCODED.sub(r"`aws sts decode-authorization-message --encoded-message \1` says why", words)
        return str(error)

    def code(self, error: BaseException | None) -> str:
        return error_code(error) if isinstance(error, ClientError) else ""


class AccountStep(Step[R], ABC):
    side: ClassVar[str] = "databricks"
    # ValueError is how the SDK says that it cannot authenticate.
    refusals: ClassVar[tuple[type[Exception], ...]] = (DatabricksError, RequestException, TimeoutError, ValueError)
    lost_seconds: ClassVar[float] = 0.0
    """How long what a lost reply may have made is looked for before it is asked for again."""

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        self.config = config
        self.account = clients.account
        self.account_once = clients.account_once

    def refusal(self, error: Exception) -> str:
        return databricks_words(error)

    def code(self, error: BaseException | None) -> str:
        return str(getattr(error, "error_code", None) or "")

    def again_after(self, error: BaseException | None) -> float | None:
        if refused_for_now(error):
            return 0.0
        return self.lost_seconds if reply_lost(error) else None
