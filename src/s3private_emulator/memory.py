"""What the clouds know, kept in one file after every write, so that an emulator that is killed can be started again.

The file is a pickle of the emulator's own objects: it is read back only by the code that wrote it, on the same world
and since the same boot (delays run by the monotonic clock); otherwise the clouds begin empty. What is alive in every
emulator (clock, delays, locks, PrivateLink) is named in it, not copied.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import moto

from s3private_emulator.clock import RealClock

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

FILE = "clouds.pickle"
LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
READ_METHODS = ("GET", "HEAD")

Contents = dict[str, Any]
Moment = Callable[[], AbstractContextManager[Contents]]
"""What the clouds know, held still for as long as the context lasts."""


class Memory:
    """`live`: the objects that are named. `world`: what else must be the same."""

    def __init__(self, state: Path, live: Mapping[str, object], world: object) -> None:
        self._file = state / FILE
        self._live = dict(live)
        self._names = {id(thing): name for name, thing in live.items()}
        self._saving = threading.Lock()
        self._of = f"{_fingerprint()} {moto.__version__} {world}"

    def recall(self) -> Contents | None:
        """None: there is nothing, or nothing that fits."""
        if not self._file.exists():
            return None
        with self._file.open("rb") as file:
            if file.readline() != self._head().encode():
                return None
            kept: Contents = _Unpickler(file, self._live).load()
        return kept["contents"] if kept["saved"] <= RealClock().now() else None

    def keeping(self, app: WSGIApplication, moment: Moment) -> WSGIApplication:
        """The application, with what it changed kept before its answer goes out."""

        def kept(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] in READ_METHODS:
                return app(environ, start_response)
            try:
                return list(app(environ, start_response))
            finally:  # an answer that is lost on purpose has had its effect
                self._save(moment)

        return kept

    def _head(self) -> str:
        return hashlib.sha256(self._of.encode()).hexdigest() + "\n"

    def _save(self, moment: Moment) -> None:
        # Held still until it is written: what is pickled is the clouds' own objects, and no copy of them.
        with self._saving, moment() as contents:
            new = self._file.with_suffix(".new")
            new.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(self._head().encode())
                _Pickler(file, self._names).dump({"saved": RealClock().now(), "contents": contents})
            os.replace(new, self._file)


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any, names: Mapping[int, str]) -> None:
        super().__init__(file)
        self._names = names

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) in LOCKS:
            return ("lock", type(obj).__name__)
        name = self._names.get(id(obj))
        return None if name is None else ("live", name)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, live: Mapping[str, object]) -> None:
        super().__init__(file)
        self._live = live

    def persistent_load(self, pid: Any) -> Any:
        kind, name = pid
        if kind == "live":
            return self._live[name]
        return next(make for lock, make in LOCKS.items() if lock.__name__ == name)()


def _fingerprint() -> str:
    """Of the emulator's code: what another version wrote is not for this one."""
    content = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()
