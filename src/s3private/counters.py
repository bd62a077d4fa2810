"""What became of a client's requests: counted for `explain`, and said through `logging`, under `s3private.`.

Why boto3 was asked again is said once for each kind of reason, and each time at DEBUG: it is right, but slower. Said
are keys, S3's request ids, and of a list what was not understood; never a credential, a signature or an object's bytes.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from s3private.forks import renewed_in_child

logging.getLogger("s3private").addHandler(logging.NullHandler())
_TRANSPORT = logging.getLogger("s3private.transport")
_CHECKSUMS = logging.getLogger("s3private.checksums")

_REQUEST_ID = re.compile(r"[0-9A-Za-z+/=._-]{1,64}")
_USUAL = ("status ", "connection broke off", "too slow")
"""Reasons that a working path has now and then; any other is a warning."""


class Counters:
    """One client's. Safe to share between threads; a child of a fork goes on from what its parent had counted."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may end a reading, which is counted, in any thread and anywhere.
        self._lock = threading.RLock()
        self._numbers: Counter[str] = Counter()
        self._again: Counter[str] = Counter()
        self._unverified: Counter[str] = Counter()
        renewed_in_child(self, Counters._in_child)

    def add(self, **numbers: int) -> None:
        """lists, objects (bodies of our own, whole or a range), bytes (theirs), opened, dead (connections), slow_down,
        retries (boto3's), resumed (bodies)."""
        with self._lock:
            for name, number in numbers.items():
                self._numbers[name] += number

    def asked_again(self, uri: str, reason: str, request_id: str = "") -> None:
        """Boto3 is asked for what our own GET did not bring. reason: its kind, and after a colon what was seen."""
        kind = reason.partition(": ")[0]
        number = self._one_more(self._again, kind)
        level = logging.INFO if kind.startswith(_USUAL) else logging.WARNING
        if number > 1:
            level = logging.DEBUG
        if _TRANSPORT.isEnabledFor(level):
            said = f", request {request_id}" if _REQUEST_ID.fullmatch(request_id) else ""
            more = "" if number > 1 else "; the next ones are said at DEBUG, and counted in explain(s3)"
            _TRANSPORT.log(
                level,
                "%s: asked again through boto3: %s (%d so far%s)%s",
                _plain(uri),
                _plain(reason),
                number,
                said,
                more,
            )

    def unverified(self, uri: str, fields: Mapping[str, str]) -> None:
        """A body whose checksum cannot be verified is handed on. fields: its answer's, names in lower case."""
        kind = _missing(fields)
        number = self._one_more(self._unverified, kind)
        level = logging.DEBUG if number > 1 else logging.INFO
        if _CHECKSUMS.isEnabledFor(level):
            _CHECKSUMS.log(level, "%s: not verified: %s (%d so far)", _plain(uri), kind, number)

    def tried(self, response: Any = None, attempts: int = 1, **_: Any) -> None:
        """A handler of botocore's `needs-retry`: it is called with each answer, and decides nothing."""
        status = getattr(response[0], "status_code", 0) if response else 0
        if attempts > 1 or status == 503:
            self.add(retries=attempts > 1, slow_down=status == 503)

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name; `again` and `unverified` by reason."""
        with self._lock:
            return {**self._numbers, "again": dict(self._again), "unverified": dict(self._unverified)}

    def as_lines(self) -> list[str]:
        """Lines for `explain`; of what did not happen there is none."""
        with self._lock:
            numbers, again, unverified = self._numbers.copy(), self._again.copy(), self._unverified.copy()
        lines = ["own answers     none so far"]
        if numbers["lists"] or numbers["objects"]:
            own = (f"{numbers['lists']} lists", f"{numbers['objects']} objects or ranges", f"{numbers['bytes']} bytes")
            lines = [f"own answers     {', '.join(own)}"]
        if again:
            lines.append(f"asked again     {again.total()} through boto3: {_listed(again)}")
        if numbers["opened"]:
            dead = f", {numbers['dead']} found dead and replaced" if numbers["dead"] else ""
            lines.append(f"connections     {numbers['opened']} opened by own GETs{dead}")
        if numbers["slow_down"]:
            lines.append(f"slow down       {numbers['slow_down']} times (status 503)")
        if numbers["retries"] or numbers["resumed"]:
            lines.append(f"retries         {numbers['retries']} of boto3's, {numbers['resumed']} bodies resumed")
        if unverified:
            lines.append(f"not verified    {unverified.total()} bodies: {_listed(unverified)}")
        return lines

    def _one_more(self, counted: Counter[str], kind: str) -> int:
        with self._lock:
            counted[kind] += 1
            return counted[kind]

    def _in_child(self) -> None:
        self._lock = threading.RLock()


def _missing(fields: Mapping[str, str]) -> str:
    """Why nothing of `fields` can be held against the body."""
    names = sorted(
        name.removeprefix("x-amz-checksum-").upper()
        for name in fields
        if name.startswith("x-amz-checksum-") and name != "x-amz-checksum-type"
    )
    if not names:
        return "no checksum stored"
    known = ", ".join(name for name in names if name.isalnum())[:60]
    if fields.get("x-amz-checksum-type") == "COMPOSITE":
        return f"{known} is of its parts (COMPOSITE)"
    return f"{known} cannot be computed here"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{number} x {kind}" for kind, number in sorted(counted.items()))


def _plain(text: str) -> str:
    """On one line, and nothing that a terminal obeys."""
    return ascii(text)[1:-1][:400]
