"""What every AWS step and every account step shares: whose words count as a refusal, and how they are quoted."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from databricks.sdk.errors.base import DatabricksError
from requests.exceptions import RequestException

from s3private.provision.clients import Clients, databricks_words
from s3private.provision.config import PathConfig
from s3private.provision.engine import AlreadyThere, R, Step

if TYPE_CHECKING:
    from types_boto3_ec2.literals import ResourceTypeType
    from types_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef

PATH_TAG = "s3private:path"


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


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

    @property
    def tags(self) -> list[Any]:
        """EC2 and Elastic Load Balancing spell a tag alike; their type stubs do not know it."""
        return [
            {"Key": PATH_TAG, "Value": self.config.name},
            {"Key": "Name", "Value": self.config.resource_name},
        ]

    def tagged(self, resource_type: ResourceTypeType) -> list[TagSpecificationTypeDef]:
        return [{"ResourceType": resource_type, "Tags": self.tags}]

    def by_tag(self, *, vpc: bool = False) -> list[FilterTypeDef]:
        filters: list[FilterTypeDef] = [{"Name": f"tag:{PATH_TAG}", "Values": [self.config.name]}]
        if vpc:
            filters.append({"Name": "vpc-id", "Values": [self.config.vpc_id]})
        return filters

    def is_ours(self, tags: Iterable[Mapping[str, Any]]) -> bool:
        return any(t.get("Key") == PATH_TAG and t.get("Value") == self.config.name for t in tags)

    def refusal(self, error: Exception) -> str:
        if isinstance(error, ClientError):
            said = error.response.get("Error", {})
            return f"{said.get('Code', 'error')}: {said.get('Message', '')}".rstrip(": ")
        return str(error)


class AccountStep(Step[R], ABC):
    side: ClassVar[str] = "databricks"
    # ValueError is how the SDK says that it cannot authenticate.
    refusals: ClassVar[tuple[type[Exception], ...]] = (DatabricksError, RequestException, TimeoutError, ValueError)

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        self.config = config
        self.account = clients.account
        self.account_once = clients.account_once

    def refusal(self, error: Exception) -> str:
        return databricks_words(error)
