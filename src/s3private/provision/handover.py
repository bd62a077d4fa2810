"""What two owners tell each other: one small file that goes from the AWS side to the Databricks side and back.

Each side writes its own part and keeps the other's. It holds names and ids, and nothing secret.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from s3private.errors import ConfigError
from s3private.provision.config import PathConfig
from s3private.whole_file import write_whole

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AwsPart:
    """What the Databricks side needs: where the rule leads, and which names it carries."""

    service_name: str
    service_id: str
    endpoint_id: str
    endpoint_dns_name: str
    """The regional name of the S3 interface endpoint, with `*` as its first label."""


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


@dataclass(frozen=True, kw_only=True)
class Handover:
    path: str
    region: str
    aws: AwsPart | None = None
    databricks: DatabricksPart | None = None

    @classmethod
    def load(cls, file: Path, config: PathConfig) -> Handover:
        """An empty one where there is no file. Raises ConfigError: unreadable, or another path's."""
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path=config.name, region=config.region)
        except OSError as error:
            raise ConfigError(f"--handover {file}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise ConfigError(f"--handover {file}: not JSON: {error}") from error
        known = {"schema_version", *(f.name for f in fields(cls))}
        if not isinstance(document, dict) or set(document) != known or document["schema_version"] != SCHEMA_VERSION:
            raise ConfigError(f"--handover {file}: not a handover of this version of s3private")
        loaded = cls(
            path=str(document["path"]),
            region=str(document["region"]),
            aws=_part(AwsPart, document["aws"], f"--handover {file}: aws"),
            databricks=_part(DatabricksPart, document["databricks"], f"--handover {file}: databricks"),
        )
        if (loaded.path, loaded.region) != (config.name, config.region):
            raise ConfigError(
                f"--handover {file}: is for the path {loaded.path} in {loaded.region}, "
                f"not for {config.name} in {config.region}"
            )
        return loaded

    def save(self, file: Path) -> None:
        """Whole or not at all. Raises ConfigError."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        try:
            write_whole(file, json.dumps(document, indent=2) + "\n")
        except OSError as error:
            raise ConfigError(f"--handover {file}: cannot be written: {error.strerror or error}") from error

    def with_part(self, part: AwsPart | DatabricksPart) -> Handover:
        return replace(self, aws=part) if isinstance(part, AwsPart) else replace(self, databricks=part)


def _part(kind: type[Part], given: Any, where: str) -> Part | None:
    if given is None:
        return None
    names = {f.name for f in fields(kind)}
    if not isinstance(given, dict) or set(given) != names or not all(isinstance(v, str) and v for v in given.values()):
        raise ConfigError(f"{where}: must have {', '.join(sorted(names))}, each a text")
    return kind(**given)
