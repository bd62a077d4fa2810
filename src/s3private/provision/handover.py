"""What two owners tell each other: one small file that goes from the AWS side to the Databricks side and back.

Each side writes its own part and keeps the other's. It holds names and ids, and nothing secret.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from s3private.errors import ConfigError
from s3private.provision.config import PathConfig
from s3private.provision.names import is_regional_name
from s3private.whole_file import write_whole

SCHEMA_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class AwsPart:
    """What the Databricks side needs: where the rule leads, and which names it carries."""

    service_name: str
    service_id: str
    endpoint_id: str
    endpoint_dns_name: str
    """The regional name of the S3 interface endpoint, with `*` as its first label."""
    check: str
    """A digest of the rest and of whose it is: fields of two files, each right in itself, do not fit together."""

    @classmethod
    def of(
        cls, config: PathConfig, *, service_name: str, service_id: str, endpoint_id: str, endpoint_dns_name: str
    ) -> AwsPart:
        """service_name, service_id: of the endpoint service. endpoint_id, endpoint_dns_name: of the S3 endpoint."""
        told = (*map(str, _whose(config).values()), service_name, service_id, endpoint_id, endpoint_dns_name)
        return cls(
            service_name=service_name,
            service_id=service_id,
            endpoint_id=endpoint_id,
            endpoint_dns_name=endpoint_dns_name,
            check=hashlib.sha256("\n".join(told).encode()).hexdigest()[:16],
        )


@dataclass(frozen=True, kw_only=True)
class DatabricksPart:
    """What the AWS side needs: which connection is the path's own. The other ids say where it comes from.

    service_name: which endpoint service it knocks at; for another one, it is of an earlier path.
    """

    service_name: str
    vpc_endpoint_id: str
    ncc_id: str
    rule_id: str


Part = TypeVar("Part", AwsPart, DatabricksPart)


class _Whose(TypedDict):
    """Which path it is of, and whose: held against who acts, before anything is asked for."""

    path: str
    region: str
    owner: str
    aws_account_id: str
    databricks_account_id: str


def _whose(config: PathConfig) -> _Whose:
    return {
        "path": config.name,
        "region": config.region,
        "owner": config.owner or "",
        "aws_account_id": config.aws_account_id,
        "databricks_account_id": config.databricks_account_id,
    }


@dataclass(frozen=True, kw_only=True)
class Handover:
    """owner: `path.owner`, or empty where the path file does not say."""

    path: str
    region: str
    owner: str
    aws_account_id: str
    databricks_account_id: str
    aws: AwsPart | None = None
    databricks: DatabricksPart | None = None

    @classmethod
    def load(cls, file: Path, config: PathConfig) -> Handover:
        """An empty one where there is no file. Raises ConfigError: unreadable, another path's or another owner's."""
        whose = _whose(config)
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(**whose)
        except OSError as error:
            raise ConfigError(f"--handover {file}: cannot be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"--handover {file}: not JSON: {error}") from error
        known = {"schema_version", *(f.name for f in fields(cls))}
        if (
            not isinstance(document, dict)
            or set(document) != known
            or document["schema_version"] != SCHEMA_VERSION
            or not all(isinstance(document[name], str) and len(document[name]) <= 128 for name in whose)
        ):
            raise ConfigError(
                f"--handover {file}: not a handover of this version of s3private: move it away, and let the AWS side "
                "run provision first"
            )
        if other := {name: value for name, value in whose.items() if document[name] != value}:
            theirs = ", ".join(f"{name} {document[name]!r}" for name in other)
            ours = ", ".join(f"{name} {value!r}" for name, value in other.items())
            raise ConfigError(
                f"--handover {file}: is for {theirs}, not for {ours}: give each path a file of its own, or run it as "
                "its owner (path.owner in the path file, or --owner)"
            )
        aws = _part(AwsPart, document["aws"], config.region, f"--handover {file}: aws")
        if aws is not None and aws != AwsPart.of(config, **{k: v for k, v in asdict(aws).items() if k != "check"}):
            raise ConfigError(
                f"--handover {file}: aws.check: {aws.check} is not that of what the file tells: it was changed, or put "
                "together from two files: ask the AWS side for a new file"
            )
        return cls(
            **whose,
            aws=aws,
            databricks=_part(DatabricksPart, document["databricks"], config.region, f"--handover {file}: databricks"),
        )

    def save(self, file: Path) -> None:
        """Whole or not at all. Raises ConfigError."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        try:
            write_whole(file, json.dumps(document, indent=2) + "\n")
        except OSError as error:
            raise ConfigError(f"--handover {file}: cannot be written: {error.strerror or error}") from error

    def with_part(self, part: AwsPart | DatabricksPart) -> Handover:
        return replace(self, aws=part) if isinstance(part, AwsPart) else replace(self, databricks=part)


_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ENDPOINT = "vpce-[0-9a-f]{8,17}"
_SHAPES = {
    "service_name": "com[.]amazonaws[.]vpce[.]{region}[.]vpce-svc-[0-9a-f]{8,17}",
    "service_id": "vpce-svc-[0-9a-f]{8,17}",
    "endpoint_id": _ENDPOINT,
    "vpc_endpoint_id": _ENDPOINT,
    "ncc_id": _UUID,
    "rule_id": _UUID,
    "check": "[0-9a-f]{16}",
}
"""What each field is, by full match."""


def _part(kind: type[Part], given: Any, region: str, where: str) -> Part | None:
    """What the other side told, as far as it can be true. Raises ConfigError: it was changed on its way."""
    if given is None:
        return None
    names = {f.name for f in fields(kind)}
    if not isinstance(given, dict) or set(given) != names or not all(isinstance(v, str) and v for v in given.values()):
        raise ConfigError(f"{where}: must have {', '.join(sorted(names))}, each a text")
    for name, value in given.items():
        if name == "endpoint_dns_name":
            right = is_regional_name(value, region, given["endpoint_id"])
        else:
            right = bool(re.fullmatch(_SHAPES[name].replace("{region}", re.escape(region)), value, re.ASCII))
        if not right:
            raise ConfigError(f"{where}.{name}: {value!r} is not what the other side writes there: ask for a new file")
    if "service_id" in given and not given["service_name"].endswith(f".{given['service_id']}"):
        raise ConfigError(f"{where}: service_name {given['service_name']} is not that of {given['service_id']}")
    return kind(**given)
