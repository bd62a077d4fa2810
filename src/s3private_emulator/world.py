"""What is there before anybody provisions: accounts, a VPC, buckets, a role, a Databricks account with workspaces.

Values, not code: a test that needs another world replaces fields of `World()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT = "565502421330"
"""The AWS account whose role knocks at endpoint services.
https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""


@dataclass(frozen=True, kw_only=True)
class Subnet:
    id: str
    zone: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class Vpc:
    id: str
    cidr: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True, kw_only=True)
class Workspace:
    id: int
    name: str
    deployment_name: str
    region: str = ""
    """Empty: the world's region."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user of the workspaces, no admin of any. `token`: their personal access token. `groups`: groups of the
    account, by name."""

    name: str
    token: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class World:
    region: str = "ap-northeast-1"
    base_account: str = "111111111111"
    """Where the operator's base credentials live."""
    data_account: str = "222222222222"
    """Where the buckets, the VPC and the role to assume live."""
    access_key_id: str = "AKIAEMULATEDBASE0001"
    secret_access_key: str = "emulated-base-secret"
    role_name: str = "s3private-provisioner"
    external_id: str = "s3private-demo"
    vpc: Vpc = Vpc(
        id="vpc-0a1b2c3d4e5f60001",
        cidr="10.20.0.0/16",
        subnets=(
            Subnet(id="subnet-0a1b2c3d4e5f6000a", zone="ap-northeast-1a", cidr="10.20.1.0/24"),
            Subnet(id="subnet-0a1b2c3d4e5f6000c", zone="ap-northeast-1c", cidr="10.20.2.0/24"),
        ),
    )
    buckets: Mapping[str, Mapping[str, bytes]] = field(
        default_factory=lambda: MappingProxyType(
            {
                "sales-records": {
                    "2026/01/orders.csv": b"id,amount\n1,100\n2,250\n",
                    "2026/02/orders.csv": b"id,amount\n3,75\n",
                    "readme.txt": b"Sales records, one folder a month.\n",
                },
                "hr-records": {"people.csv": b"id,name\n1,A\n"},
            }
        )
    )
    databricks_account: str = "5a3d3f6e-0000-4000-8000-000000000001"
    client_id: str = "5a3d3f6e-0000-4000-8000-00000000c11e"
    client_secret: str = "emulated-oauth-secret"
    workspaces: tuple[Workspace, ...] = (
        Workspace(id=1001001001001001, name="analytics", deployment_name="dbc-analytics"),
        Workspace(id=1001001001001002, name="research", deployment_name="dbc-research"),
    )

    people: tuple[Person, ...] = (
        Person(name="analyst@example.com", token="dapi-emulated-analyst", groups=("analysts",)),
        Person(name="visitor@example.com", token="dapi-emulated-visitor"),
    )
    """Besides the operator, who administers the workspaces."""
    groups: tuple[str, ...] = ("analysts", "operators", "destroyers")
    """Of the account, assigned to every workspace."""

    base_service_credential: str = "s3private_base"
    """The Unity Catalog service credential that vends a role of the base account, which may assume `role_name`."""
    reader_service_credential: str = "s3private_reader"
    """The one that vends the reader's role of the data account, to read S3 with."""

    @property
    def administrator_role_arn(self) -> str:
        """Of who changes things in the data account by hand."""
        return f"arn:aws:iam::{self.data_account}:role/administrator"

    @property
    def reader_role_arn(self) -> str:
        """It reads the first of the buckets."""
        return f"arn:aws:iam::{self.data_account}:role/s3private-reader"

    @property
    def base_role_arn(self) -> str:
        return f"arn:aws:iam::{self.base_account}:role/s3private-base"

    @property
    def role_arn(self) -> str:
        return f"arn:aws:iam::{self.data_account}:role/{self.role_name}"
