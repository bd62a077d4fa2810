"""Where a job's files lie: what is written relative begins in the bundle's volume, so that one path file serves a
laptop, dev and prod."""

from __future__ import annotations

import tomllib
from pathlib import Path

from s3private.errors import ConfigError


def in_volume(volume: str, file: str) -> Path:
    """`file` under the volume's folder, unless it is absolute."""
    return Path(volume) / file


def route_of_path_file(file: str) -> str:
    """The path file's `route.file`: all that the notebook half needs of it. Raises ConfigError."""
    try:
        named = tomllib.loads(Path(file).read_text(encoding="utf-8"))["route"]["file"]
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file}: route.file: is required") from error
    return str(named)
