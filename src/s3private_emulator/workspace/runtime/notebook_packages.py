"""`%pip install` of a notebook: wheels of /Volumes and /Workspace into the notebook's own session, and no index.

As in a workspace without a way to an index: what a wheel needs must be installed already. What pip refuses of a wheel
by its name and content is refused here.
https://docs.databricks.com/aws/en/libraries/notebooks-python-libraries
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shlex
import sys
import zipfile
from collections.abc import Iterator, Sequence
from email.parser import Parser
from pathlib import Path

from dbruntime.task import task

_WHEEL = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_IGNORED = ("-q", "--quiet", "--no-deps", "--no-index", "-U", "--upgrade", "--force-reinstall")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<rest>.*)")


class NotInstalled(Exception):
    """pip said no."""


def install(words: Sequence[str]) -> None:
    """Raises NotInstalled, NotImplementedError for what is no wheel in a volume or in the workspace."""
    for file in _files(list(words)):
        _install(file)
    importlib.invalidate_caches()


def _files(words: list[str]) -> Iterator[Path]:
    while words:
        word = words.pop(0)
        if word in ("-r", "--requirement"):
            try:
                lines = Path(words.pop(0)).read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise NotInstalled(f"ERROR: Could not open requirements file: {error}") from None
            for line in lines:
                yield from _files(shlex.split(line, comments=True))
        elif word not in _IGNORED:
            if not word.startswith(("/Volumes/", "/Workspace/")) or not word.endswith(".whl"):
                raise NotImplementedError(f"%pip install {word}: here only wheels in /Volumes and /Workspace")
            yield Path(word)


def _install(file: Path) -> None:
    named = _WHEEL.fullmatch(file.name)
    if named is None:
        raise NotInstalled(f"ERROR: {file.name} is not a valid wheel filename.")
    if not file.is_file():
        raise NotInstalled(f"ERROR: Could not install packages due to an OSError: No such file or directory: {file}")
    place = Path(task()["result_file"]).parent / "notebook-packages"
    with file.open("rb") as opened, zipfile.ZipFile(opened) as archive:
        (told,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(told).decode())
        if metadata["Version"] != named["version"]:
            raise NotInstalled(f"ERROR: {file.name} has inconsistent version: {metadata['Version']} in its metadata")
        for needed in metadata.get_all("Requires-Dist", []):
            requirement = _REQUIREMENT.match(needed)
            if requirement is not None and "extra ==" not in requirement["rest"]:
                _there(requirement["name"], metadata["Name"])
        archive.extractall(place)
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
    print(f"Successfully installed {metadata['Name']}-{metadata['Version']}")


def _there(name: str, needed_by: str) -> None:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise NotInstalled(f"ERROR: No matching distribution found for {name} (from {needed_by})") from None
