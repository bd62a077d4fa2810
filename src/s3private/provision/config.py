"""What the operator asks for: one TOML file per path, every key checked before any call is made.

A wrong key is refused by name rather than ignored: a misspelt `external_id` must not become a run without one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

from s3private.buckets import DIRECTORY_BUCKET
from s3private.errors import ConfigError
from s3private.provision.names import refused_domain
from s3private.provision.tags import checked_tags

ACCOUNT_HOST = "https://accounts.cloud.databricks.com"
GOVCLOUD_ACCOUNT_HOST = "https://accounts.cloud.databricks.us"
DOD_ACCOUNT_HOST = "https://accounts-dod.cloud.databricks.us"
_COMMERCIAL_PRINCIPAL = "arn:aws:iam::565502421330:role/private-connectivity-role-{region}"
_GOVCLOUD_PRINCIPAL = "arn:aws-us-gov:iam::347038500609:role/private-connectivity-role-{region}"
_DOD_PRINCIPAL = "arn:aws-us-gov:iam::347034940029:role/private-connectivity-role-{region}"
"""https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""
_MAX_DOMAIN_NAMES = 10
_MAX_POLICY = 20_480

_READ_ACTIONS = ("s3:GetBucketLocation", "s3:GetObject*", "s3:ListBucket*")
_WRITE_ACTIONS = ("s3:AbortMultipartUpload", "s3:DeleteObject*", "s3:ListMultipartUploadParts", "s3:PutObject*")


@dataclass(frozen=True, kw_only=True)
class PathConfig:
    """One private path as asked for; see the README for each key."""

    name: str
    region: str
    aws_account_id: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    buckets: tuple[str, ...]
    databricks_account_id: str
    route_file: str
    workspace_ids: tuple[int, ...] = ()
    role_arn: str | None = None
    external_id: str | None = None
    security_group_id: str | None = None
    endpoint_id: str | None = None
    idle_timeout_seconds: int = 350
    allowed_principal: str
    tags: tuple[tuple[str, str], ...] = ()
    access: str = "read"
    domain_names: tuple[str, ...] = ()
    ncc_id: str | None = None
    account_host: str | None = None
    workspace_host: str | None = None
    service_credential: str | None = None
    route_service_credential: str | None = None
    owner: str | None = None

    @property
    def resource_name(self) -> str:
        """The name of what carries one on the AWS side, beside its tags; fits NLBs (32 characters)."""
        return f"s3private-{self.name}"

    @property
    def ncc_name(self) -> str:
        """An NCC has neither tags nor a description, so its name is its owner mark: of another account's path, or of
        another owner's, it ends otherwise. Fits `^[0-9a-zA-Z-_]{3,30}$`.
        https://docs.databricks.com/api/account/networkconnectivity/createnetworkconnectivityconfiguration"""
        whose = "\n".join((self.name, self.region, self.aws_account_id, self.owner or ""))
        mark = hashlib.sha256(whose.encode()).hexdigest()[:8]
        return f"{self.resource_name[:21].rstrip('-')}-{mark}"

    @property
    def partition(self) -> str:
        return _partition(self.region) or "aws"

    @property
    def endpoint_policy(self) -> dict[str, Any]:
        """Lets the named buckets through and nothing else."""
        actions = [*_READ_ACTIONS, *(_WRITE_ACTIONS if self.access == "read-write" else ())]
        arns = [f"arn:{self.partition}:s3:::{bucket}" for bucket in self.buckets]
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "NamedBucketsOnly",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": actions,
                    "Resource": [*arns, *(f"{arn}/*" for arn in arns)],
                }
            ],
        }

    def owned_by(self, owner: str, where: str) -> PathConfig:
        """The same path, run as `owner`. Raises ConfigError: no owner's name, or the path file names another."""
        try:
            checked = _OWNER(owner)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}; got {owner!r}") from error
        if self.owner not in (None, checked):
            raise ConfigError(f"{where}: {owner} is not the path file's path.owner, {self.owner}")
        return replace(self, owner=checked)

    def at_account_host(self, host: str, where: str) -> PathConfig:
        """The same path, with the account console at `host`. Raises ConfigError for one that is none."""
        try:
            return replace(self, account_host=_account_host(host))
        except ValueError as error:
            raise ConfigError(f"{where}: {error}; got {host!r}") from error

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> PathConfig:
        """Read and check a path file. Raises ConfigError naming file, key and rule; makes no call."""
        where = str(file)
        try:
            # Editors of one platform begin a file with a byte order mark, which is no part of it.
            document = tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ConfigError(f"{where}: cannot be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{where}: not TOML: {error}") from error
        return cls.parse(document, where)

    @classmethod
    def parse(cls, document: Mapping[str, Any], where: str) -> PathConfig:
        values = _checked(document, where)
        config = cls(**values)
        _check_together(config, where)
        return config


# --- one rule per key ------------------------------------------------------------------------------------------------

Rule = Callable[[Any], Any]
"""Returns the value to keep, or raises ValueError with the rule in words."""


def _partition(region: str) -> str | None:
    """Read from botocore's tables: a session would look at AWS_PROFILE, which is not this file's matter."""
    for partition in Loader().load_data("endpoints")["partitions"]:
        if region in partition["regions"] and region in partition["services"]["s3"]["endpoints"]:
            return str(partition["partition"])
    return None


def _text(pattern: str, rule: str) -> Rule:
    # Digits and letters are ASCII's: a full-width 1 is none of AWS's.
    compiled = re.compile(pattern, re.ASCII)

    def check(value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return check


def _many(one: Rule, *, least: int, most: int, rule: str) -> Rule:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(rule)
        if len({str(v) for v in value}) != len(value):
            raise ValueError("holds the same value twice")
        return tuple(one(v) for v in value)

    return check


def _region(value: Any) -> str:
    if not isinstance(value, str) or _partition(value) not in ("aws", "aws-us-gov"):
        raise ValueError("must be an AWS region that Databricks serverless can be in, such as eu-west-1")
    return value


def _whole(least: int, most: int) -> Rule:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return check


def _workspace(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("must hold workspace ids: whole numbers, as in the workspace's URL after ?o=")
    return value


def _principal(value: Any) -> str:
    if (
        value == "*"
        or not isinstance(value, str)
        or not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", value, re.ASCII)
    ):
        raise ValueError(
            "must be the ARN of one role: '*' or a whole account would let every AWS customer knock at the service"
        )
    return value


def _bucket(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
        raise ValueError("must hold bucket names: 3 to 63 of a-z, 0-9, '.' and '-'")
    if value.endswith(DIRECTORY_BUCKET):
        raise ValueError(f"{value} is a directory bucket, which no S3 interface endpoint serves")
    return value


def _domain(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must hold DNS names, each a text")
    return value


def _file(value: Any) -> str:
    if not isinstance(value, str) or not value.endswith(".json"):
        raise ValueError("must be a file name that ends in .json")
    if "://" in value:
        raise ValueError("must be a file on a disk or in a volume: a URL such as s3://… would become a folder's name")
    return value


_LOOPBACK = r"https?://(?:localhost|127(?:\.\d{1,3}){3}):\d{1,5}"
"""An emulated account console on this machine, which nothing leaves."""
_account_host = _text(
    rf"https://accounts(?:-dod)?\.cloud\.databricks\.(?:com|us)|{_LOOPBACK}",
    "must be an account console of Databricks, such as https://accounts.cloud.databricks.com: the service principal's "
    "client secret is sent there",
)
_workspace_host = _text(
    rf"https://(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,4}}databricks\.(?:com|us)|{_LOOPBACK}",
    "must be a workspace of Databricks, such as https://dbc-12345678-9abc.cloud.databricks.com",
)
_ACCOUNT = _text(r"\d{12}", "must be 12 digits in quotes")
_OWNER = _text(r"[\w.@:/=+-]{1,128}", "must be 1 to 128 of A-Z a-z 0-9 _.@:/=+-, such as a team or target")
_CREDENTIAL = _text(r"[\w-]{1,255}", "must be the name of a Unity Catalog service credential")
_KEYS: dict[str, tuple[str, Rule, bool]] = {
    # key in the file: (field, rule, required)
    "path.name": (
        "name",
        _text(r"[a-z][a-z0-9-]{1,18}[a-z0-9]", "must be 3 to 20 of a-z, 0-9 and '-', beginning with a letter"),
        True,
    ),
    "path.region": ("region", _region, True),
    "path.owner": ("owner", _OWNER, False),
    "aws.account_id": ("aws_account_id", _ACCOUNT, True),
    "aws.role_arn": (
        "role_arn",
        _text(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", "must be the ARN of a role"),
        False,
    ),
    "aws.external_id": (
        "external_id",
        _text(r"[\w+=,.@:/-]{2,1224}", "must be 2 to 1224 of A-Z a-z 0-9 +=,.@:/-"),
        False,
    ),
    "aws.service_credential": ("service_credential", _CREDENTIAL, False),
    "aws.vpc_id": ("vpc_id", _text(r"vpc-[0-9a-f]{8,17}", "must be a VPC id, vpc-…"), True),
    "aws.subnet_ids": (
        "subnet_ids",
        _many(
            _text(r"subnet-[0-9a-f]{8,17}", "must hold subnet ids, subnet-…"),
            least=2,
            most=16,
            rule="must name at least two subnets, in different availability zones: one zone is one outage",
        ),
        True,
    ),
    "aws.security_group_id": (
        "security_group_id",
        _text(r"sg-[0-9a-f]{8,17}", "must be a security group id, sg-…"),
        False,
    ),
    "aws.endpoint_id": ("endpoint_id", _text(r"vpce-[0-9a-f]{8,17}", "must be an endpoint id, vpce-…"), False),
    "aws.idle_timeout_seconds": ("idle_timeout_seconds", _whole(60, 6000), False),
    "aws.allowed_principal": ("allowed_principal", _principal, False),
    "aws.tags": ("tags", checked_tags, False),
    "s3.buckets": ("buckets", _many(_bucket, least=1, most=100, rule="must name 1 to 100 buckets"), True),
    "s3.access": ("access", _text("read|read-write", "must be 'read' or 'read-write'"), False),
    "s3.domain_names": (
        "domain_names",
        _many(_domain, least=1, most=_MAX_DOMAIN_NAMES, rule=f"must name 1 to {_MAX_DOMAIN_NAMES} DNS names"),
        False,
    ),
    "databricks.account_id": (
        "databricks_account_id",
        _text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "must be the account's id, a UUID in lower case"),
        True,
    ),
    "databricks.account_host": ("account_host", _account_host, False),
    "databricks.workspace_host": ("workspace_host", _workspace_host, False),
    "databricks.workspace_ids": (
        "workspace_ids",
        _many(_workspace, least=0, most=50, rule="must be a list of at most 50 workspace ids"),
        True,
    ),
    "databricks.ncc_id": (
        "ncc_id",
        _text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "must be an NCC's id, a UUID in lower case"),
        False,
    ),
    "route.file": ("route_file", _file, True),
    "route.service_credential": ("route_service_credential", _CREDENTIAL, False),
}
_SECTIONS = tuple(dict.fromkeys(key.split(".")[0] for key in _KEYS))


def _checked(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for section, body in document.items():
        if section not in _SECTIONS:
            raise ConfigError(f"{where}: [{section}]: unknown section; there are {', '.join(_SECTIONS)}")
        if not isinstance(body, dict):
            raise ConfigError(f"{where}: {section}: must be a section, [{section}]")
        for key, value in body.items():
            given[f"{section}.{key}"] = value
    for key in given:
        if key not in _KEYS:
            section = key.split(".")[0]
            there = ", ".join(k.split(".")[1] for k in _KEYS if k.startswith(f"{section}."))
            raise ConfigError(f"{where}: {key}: unknown key; [{section}] has {there}")
    values: dict[str, Any] = {}
    for key, (field, rule, required) in _KEYS.items():
        if key in given:
            try:
                values[field] = rule(given[key])
            except ValueError as error:
                raise ConfigError(f"{where}: {key}: {error}; got {json.dumps(given[key], default=str)}") from error
        elif required:
            raise ConfigError(f"{where}: {key}: is required")
    if "allowed_principal" not in values:
        region = values["region"]
        gov = _partition(region) == "aws-us-gov"
        dod = gov and values.get("account_host") == DOD_ACCOUNT_HOST
        principal = _DOD_PRINCIPAL if dod else _GOVCLOUD_PRINCIPAL if gov else _COMMERCIAL_PRINCIPAL
        values["allowed_principal"] = principal.format(region=region)
    return values


def _check_together(config: PathConfig, where: str) -> None:
    if config.external_id and not config.role_arn:
        raise ConfigError(f"{where}: aws.external_id: needs aws.role_arn, the role that asks for it")
    if config.role_arn and config.role_arn.split(":")[4] != config.aws_account_id:
        raise ConfigError(f"{where}: aws.role_arn: must be a role of aws.account_id {config.aws_account_id}")
    if config.role_arn and config.role_arn.split(":")[1] != config.partition:
        raise ConfigError(
            f"{where}: aws.role_arn: must be of the partition {config.partition}, where {config.region} is"
        )
    for name in config.domain_names:
        if refused := refused_domain(name, config.region):
            raise ConfigError(f"{where}: s3.domain_names: {refused}")
    if len(json.dumps(config.endpoint_policy)) > _MAX_POLICY:
        raise ConfigError(f"{where}: s3.buckets: too many for one endpoint policy of {_MAX_POLICY} characters")
