"""The deployed wheel at a stable place in the volume, and what a person pastes to use the path from a notebook.

The bundle's own copy lies in the deployer's folder, where nobody else may read, and the next deployment removes it. A
wheel's file name must hold its version (https://packaging.python.org/en/latest/specifications/binary-distribution-format/),
so what stays the same is `wheels/requirements.txt`, which names the one of the last settled provision. Older wheels
stay: notebooks and environments may name them.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from s3private.errors import PlatformError
from s3private.whole_file import write_bytes_whole, write_whole

FOLDER = "wheels"
_VOLUME = re.compile(r"/Volumes/([^/`]+)/([^/`]+)/([^/`]+)")


def place_wheel(deployed: Path, volume: Path) -> Path:
    """Copy the running wheel from the deployment's folder into the volume; returns the file to install from.

    Both files are there whole or not at all, the wheel first. Raises PlatformError where it cannot be read or written.
    """
    running = version("s3private")
    name = f"s3private-{running}-py3-none-any.whl"
    wheel, requirements = volume / FOLDER / name, volume / FOLDER / "requirements.txt"
    try:
        body = (deployed / name).read_bytes()
        # The version follows the content: the same name with other bytes is a copy that somebody spoilt.
        if not wheel.is_file() or wheel.read_bytes() != body:
            write_bytes_whole(wheel, body)
        write_whole(requirements, f"# s3private {running}\n{wheel}\n")
    except OSError as error:
        raise PlatformError(
            f"the wheel cannot be copied from {deployed / name} to {wheel}: {error.strerror or error}. The path is "
            "settled all the same; where a deployment was made meanwhile, run provision again"
        ) from error
    return requirements


def next_steps(requirements: Path, route: Path) -> str:
    """What is pasted into a notebook."""
    return "\n".join(
        (
            "In a notebook on serverless compute of an attached workspace, as its first cells:",
            "",
            f"    %pip install -r {requirements}",
            "",
            "    import s3private",
            f'    s3 = s3private.connect("{route}")',
            "",
            "A new or changed path reaches serverless compute in about ten minutes. Compute that is running keeps its",
            "old DNS: end the session, and start it again.",
        )
    )


def grants(volume: str, readers: str, service_credential: str | None) -> list[str]:
    """What who reads needs, as SQL to be pasted by an owner. readers: the group, for which the bundle grants schema and
    volume itself; empty: none is named, and everything is left to be granted.
    https://docs.databricks.com/aws/en/data-governance/unity-catalog/manage-privileges/privileges
    """
    to = f"`{readers.replace('`', '``') or '<group>'}`"
    statements = []
    if named := _VOLUME.fullmatch(volume):
        catalog, schema, files = named.groups()
        statements.append(f"GRANT USE CATALOG ON CATALOG `{catalog}` TO {to};")
        if not readers:
            statements += [
                f"GRANT USE SCHEMA ON SCHEMA `{catalog}`.`{schema}` TO {to};",
                f"GRANT READ VOLUME ON VOLUME `{catalog}`.`{schema}`.`{files}` TO {to};",
            ]
    if service_credential:
        statements.append(f"GRANT ACCESS ON SERVICE CREDENTIAL `{service_credential}` TO {to};")
    return statements
