"""Where a job's files lie, and what a job's parameters may name.

Whoever may run a job chooses its parameters, and the job acts with more rights than they have: so a parameter names
things by relative place, inside what the deployment gave, and nothing else. What the deployment gives (`--volume`,
`--files`, `--routes`, …) stands in the job itself, which who may only run it cannot change.
https://docs.databricks.com/aws/en/jobs/privileges
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from s3private.errors import ConfigError, Refused

_SEGMENT = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)


def in_volume(volume: str, file: str, *, below: str = "", parameter: str = "file") -> Path:
    """`file` in the volume's folder, and in its folder `below` where the deployment names one.

    Raises Refused for a place outside: absolute, with `..`, or in another folder.
    """
    segments = file.split("/")
    if not file or any(not _SEGMENT.fullmatch(one) or one in (".", "..") for one in segments):
        raise Refused(
            f"{parameter}: {file!r} is no place in the volume: write it relative to {volume}, such as "
            f"{f'{below}/' if below else ''}name, without '..'"
        )
    folders = below.split("/") if below else []
    if segments[: len(folders)] != folders or len(segments) <= len(folders):
        raise Refused(f"{parameter}: {file!r} is not in {below}/, the folder for it in {volume}: write {below}/<name>")
    return Path(volume, *segments)


def path_file_in(files: str, path_file: str) -> Path:
    """The path file: one of the bundle's own, where the deployment says where those lie; else any.

    path_file: its name in `files`, or its place, which must be there. Raises ConfigError.
    """
    if not files:
        return Path(path_file)
    folder = Path(files).resolve()
    try:
        named = (folder / path_file).resolve()
    except (OSError, ValueError) as error:
        raise ConfigError(f"path_file: {path_file!r}: {error}") from error
    if not named.is_relative_to(folder) or named.suffix != ".toml":
        raise ConfigError(
            f"path_file: {path_file!r} is none of the bundle's path files, which lie in {files}: a path file says "
            "where the account's client secret is sent, so it is deployed, not given to a run"
        )
    return named


def table_in(schema: str, table: str) -> str:
    """The full name of the table for the rows: in the deployment's schema, where it names one; empty for none.

    table: its name, or its full name in that schema. Raises Refused.
    """
    if not table:
        return ""
    parts = table.split(".")
    if not all(_NAME.fullmatch(part) for part in parts) or len(parts) not in (1, 3):
        raise Refused(f"table: {table!r} is no table's name: write <name> or <catalog>.<schema>.<name>")
    if not schema:
        return table
    if len(parts) == 3 and ".".join(parts[:2]) != schema:
        raise Refused(f"table: {table} is not in {schema}: a run replaces tables in the bundle's own schema only")
    return f"{schema}.{parts[-1]}"


def route_of_path_file(file: Path) -> str:
    """The path file's `route.file`: all that the notebook half needs of it. Raises ConfigError."""
    try:
        named = tomllib.loads(file.read_text(encoding="utf-8-sig"))["route"]["file"]
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file}: route.file: is required") from error
    return str(named)
