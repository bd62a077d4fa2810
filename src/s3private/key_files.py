"""From keys to files: a key is any text to S3, and not every one can be a file, nor all of them together.

The key's own segments are taken as they are written: a path class would make one of `p/x` and `p/./x`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import unicodedata
from pathlib import Path

from s3private.entries import ObjectEntry, ObjectVersion
from s3private.errors import Refused
from s3private.whole_file import LONGEST, temporary

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NOT_ON_WINDOWS = re.compile(
    r'.*[\x00-\x1f<>:"\\|?*].*|.*[. ]|(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?', re.IGNORECASE | re.DOTALL
)
_NO_PLACE = {
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.ELOOP,
}


def file_below(root: Path, name: str, uri: str) -> Path:
    """The file of a key, or of what is left of it, below `root`. uri: whose key it is. Raises Refused."""
    for segment in name.split("/"):
        if reason := _no_name(segment):
            raise cannot_be_a_file(uri, root, reason)
    return root / name


def cannot_be_a_file(uri: str, root: Path, reason: str) -> Refused:
    return Refused(
        f"{uri!r} cannot be a file under {root}: {reason}; leave it out, or download it by itself under another name"
    )


def as_refused(error: OSError, uri: str, root: Path) -> Refused | None:
    """What the file system says of a name that cannot be a file there; None where it is about something else."""
    return cannot_be_a_file(uri, root, error.strerror or str(error)) if error.errno in _NO_PLACE else None


def _no_name(segment: str) -> str:
    if segment in ("", ".", ".."):
        return f"its key has {segment!r} between slashes" if segment else "its key has nothing before or after a slash"
    if "\0" in segment:
        return "its key has a NUL in it"
    try:
        if len(segment.encode()) > LONGEST or len(os.fsencode(segment)) > LONGEST:
            return f"its key has more than {LONGEST} bytes between slashes"
    except UnicodeEncodeError:
        return "its key has characters that no file's name here can have"
    if os.name == "nt" and _NOT_ON_WINDOWS.fullmatch(segment):
        return "its key has a name in it that Windows does not take"
    return ""


class KeyFiles:
    """The files of many keys below one directory. cut: how many of a key's first characters are left away.

    Keys in S3's order: one that is a file keeps its place, what would be below it is refused. In any other order, what
    comes first has the place, as the file system says.
    Memory: none; the keys, where the file system takes two names for one (`A` and `a`; `é` in one and in two pieces),
    and of versions.
    """

    def __init__(self, root: Path, cut: int = 0) -> None:
        self._root = root
        self._cut = cut
        self._above: list[str] = []
        self._names: dict[str, str] | None = None
        self._tried = False
        self._kind: type[ObjectEntry | ObjectVersion] | None = None
        self._versions: dict[str, str] = {}
        self._directory = root

    def file(self, entry: ObjectEntry | ObjectVersion) -> Path:
        """Raises Refused."""
        file = file_below(self._root, entry.key[self._cut :], entry.uri)
        self.tell_apart(entry)
        self.refuse_links(file, entry.uri)
        return file

    def tell_apart(self, entry: ObjectEntry | ObjectVersion) -> None:
        """Raises Refused where another key or version has its file, or a key that would be above it."""
        if self._kind is not type(entry):
            if self._kind is not None:
                raise cannot_be_a_file(entry.uri, self._root, "objects and versions of objects were given together")
            self._kind = type(entry)
        if isinstance(entry, ObjectVersion):
            first = self._versions.setdefault(entry.key, entry.version_id)
            if first != entry.version_id:
                raise cannot_be_a_file(entry.uri, self._root, f"its version {first} is that file")
        while self._above and not entry.key.startswith(self._above[-1]):
            self._above.pop()
        for above in self._above:
            if entry.key[len(above) : len(above) + 1] == "/":
                raise cannot_be_a_file(entry.uri, self._root, f"{above!r} is an object, and its file no directory")
        self._refuse_second(entry)
        self._above.append(entry.key)

    def refuse_links(self, file: Path, uri: str) -> None:
        """Whoever else writes into the root could lead a key out of it, or two keys into one file. Raises Refused."""
        if file.parent == self._directory:
            return
        directory = file.parent
        while directory != self._root:
            if directory.is_symlink():
                raise cannot_be_a_file(uri, self._root, f"{directory} is a link to another directory")
            directory = directory.parent
        self._directory = file.parent

    def _refuse_second(self, entry: ObjectEntry | ObjectVersion) -> None:
        if not self._tried:
            self._tried = True
            self._names = {} if takes_two_names_for_one(self._root) else None
        if self._names is not None:
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", entry.key).casefold())
            first = self._names.setdefault(folded, entry.key)
            if first != entry.key:
                raise cannot_be_a_file(entry.uri, self._root, f"it is the file of {first!r} there")


def takes_two_names_for_one(directory: Path) -> bool:
    """Whether the file system does not tell `é` from `É`, or from `e` with an accent: known by trying."""
    for stem in ("é", "e"):
        try:
            number, file = temporary(directory / stem, lambda path, flags: os.open(path, flags | os.O_WRONLY, 0o666))
        except (OSError, UnicodeEncodeError):
            # It takes no such name, or none at all: whoever writes there is told.
            continue
        try:
            others = (file.name.upper(), unicodedata.normalize("NFD", file.name))
            return any(other != file.name and os.path.lexists(directory / other) for other in others)
        finally:
            os.close(number)
            with contextlib.suppress(OSError):
                file.unlink()
    return False
