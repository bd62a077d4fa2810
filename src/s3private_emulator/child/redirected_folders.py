"""/Volumes and /Workspace for Python programs where a private root cannot be had: paths are turned as they are used.

Python's own file functions see the folders, in this process and in Python processes that it starts; libraries that open
files by themselves (Arrow's C++, SQLite) and other programs do not. Only the standard library is used.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from typing import Any

FOLDERS_VARIABLE = "S3PRIVATE_EMULATOR_FOLDERS"
"""`/Volumes=<folder>:/Workspace=<folder>`"""
HIDDEN_VARIABLE, READ_ONLY_VARIABLE = "S3PRIVATE_EMULATOR_HIDDEN", "S3PRIVATE_EMULATOR_READ_ONLY"
"""Places below those that the task's identity has no right to read, or to write."""
READ_ONLY = "/Workspace"

ONE_PATH = ("stat", "lstat", "listdir", "scandir", "access", "readlink", "chdir", "statvfs", "getxattr", "listxattr")
ONE_PATH_WRITING = ("mkdir", "rmdir", "remove", "unlink", "chmod", "utime", "truncate", "setxattr", "mkfifo", "chown")
TWO_PATHS_WRITING = ("rename", "replace", "link", "symlink")
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_roots = dict(part.split("=", 1) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part)
_hidden = tuple(place for place in os.environ.get(HIDDEN_VARIABLE, "").split(os.pathsep) if place)
_read_only = (READ_ONLY, *(place for place in os.environ.get(READ_ONLY_VARIABLE, "").split(os.pathsep) if place))


def real(path: Any, *, writes: bool = False) -> Any:
    """Where the path lies on this machine. Raises OSError: EROFS for a write where nothing may be written, EACCES for
    what may not be read."""
    try:
        text = os.fspath(path)
    except TypeError:
        return path  # a descriptor
    plain = os.fsdecode(text)
    if plain.startswith(tuple(_roots)):
        plain = os.path.normpath(plain)  # before it is held against the places: `..` leads into others
    for name, root in _roots.items():
        if plain == name or plain.startswith(f"{name}/"):
            if writes and _is_in(plain, _read_only):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), plain)
            if _is_in(plain, _hidden):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES), plain)
            turned = root + plain[len(name) :]
            return turned if isinstance(text, str) else os.fsencode(turned)
    return path


def _is_in(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _seen(path: str) -> str:
    for name, root in _roots.items():
        if path == root or path.startswith(f"{root}/"):
            return name + path[len(root) :]
    return path


def _turned(function: Callable[..., Any], paths: int, *, writes: bool) -> Callable[..., Any]:
    def turned(*args: Any, **keywords: Any) -> Any:
        given = [real(arg, writes=writes) for arg in args[:paths]]
        return function(*given, *args[paths:], **keywords)

    turned.__name__ = getattr(function, "__name__", "turned")
    return turned


def enter() -> None:
    plain_open, plain_os_open, plain_getcwd = io.open, os.open, os.getcwd

    def open_(file: Any, mode: str = "r", *args: Any, **keywords: Any) -> Any:
        return plain_open(real(file, writes=any(c in mode for c in "wax+")), mode, *args, **keywords)

    def os_open(path: Any, flags: int, *args: Any, **keywords: Any) -> int:
        return plain_os_open(real(path, writes=bool(flags & WRITING_FLAGS)), flags, *args, **keywords)

    def getcwd() -> str:
        return _seen(plain_getcwd())

    for names, paths, writes in ((ONE_PATH, 1, False), (ONE_PATH_WRITING, 1, True), (TWO_PATHS_WRITING, 2, True)):
        for name in names:
            function = getattr(os, name, None)
            if function is not None:
                turned = _turned(function, paths, writes=writes)
                setattr(os, name, turned)
                # What os.py and shutil ask of a function is told by its identity.
                for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                    if function in able:
                        able.add(turned)
    for module, name, function in (
        (builtins, "open", open_),
        (io, "open", open_),
        (os, "open", os_open),
        (os, "getcwd", getcwd),
    ):
        setattr(module, name, function)
    for able in (os.supports_dir_fd, os.supports_fd):
        if plain_os_open in able:
            able.add(os_open)
