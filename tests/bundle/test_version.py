"""The wheel's version follows its content, so that what is deployed is what was built."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def version(root: Path) -> str:
    return str(runpy.run_path(str(root / "version.py"))["__version__"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("version.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "src" / "s3private", tmp_path / "src" / "s3private")
    return tmp_path


def test_the_same_content_has_the_same_version_wherever_it_lies(copy: Path) -> None:
    assert version(copy) == version(REPOSITORY)


def test_what_python_leaves_behind_changes_nothing(copy: Path) -> None:
    before = version(copy)
    cache = copy / "src" / "s3private" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "left.pyc").write_bytes(b"left")
    assert version(copy) == before


@pytest.mark.parametrize("file", ["src/s3private/route.py", "pyproject.toml"])
def test_an_edit_changes_the_version(copy: Path, file: str) -> None:
    before = version(copy)
    (copy / file).write_text((copy / file).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert version(copy) != before


def test_a_renamed_file_changes_the_version(copy: Path) -> None:
    before = version(copy)
    (copy / "src" / "s3private" / "py.typed").rename(copy / "src" / "s3private" / "py.typed2")
    assert version(copy) != before
