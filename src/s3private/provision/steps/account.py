"""The AWS account that the path file names, held against who acts, before anything else is asked for.

With other credentials everything looks absent: provision would build a second path elsewhere, and destroy would call
gone what stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3private.errors import Conflict
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, Resource, Unsure
from s3private.provision.steps.base import AwsStep


@dataclass(frozen=True, kw_only=True)
class DataAccount(Resource):
    """Its id is the account's."""


class GivenAccount(AwsStep[DataAccount]):
    """A role of the account acts in it, whoever assumed it; without one the credentials themselves are asked.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html needs no permission.
    """

    kind = DataAccount
    title = "aws account"
    given = True

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._clients = clients

    def find(self, found: Found) -> DataAccount:
        wanted = self.config.aws_account_id
        if self.config.role_arn:
            return DataAccount(id=wanted, detail=f"as {self.config.role_arn.partition('/')[2]}", ours=False)
        seen = self._clients.sts.get_caller_identity()
        partition, account = seen["Arn"].split(":")[1], seen["Account"]
        if (partition, account) != (self.config.partition, wanted):
            raise Unsure(
                f"aws.account_id: the credentials are of account {account} ({seen['Arn']}), the path is in {wanted} "
                f"({self.config.partition}): name a role of it in aws.role_arn, or set AWS_PROFILE"
            )
        return DataAccount(id=wanted, detail=f"as {seen['Arn'].partition('/')[2] or seen['Arn']}", ours=False)

    def create(self, found: Found) -> None:
        raise Conflict("aws.account_id: an account is given, not made")

    def delete(self, resource: DataAccount, found: Found) -> None:
        raise Conflict("aws.account_id: an account is given, not deleted")
