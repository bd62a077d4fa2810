"""boto3 after a fork: nobody ever opens the locks that a thread held, and idle connections are the parent's.

botocore keeps both where no one call reaches them, and elsewhere in each version: credentials, what those are made of,
retry quotas, HTTP sessions. So they are looked for, in all that hangs together with a client.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from types import CellType, FunctionType, MethodType
from typing import Any

from s3private.forks import abandon

_LIBRARIES = ("boto3", "botocore", "s3transfer", "urllib3")
# What AWS's services look like: large, shared, and without a lock.
_DESCRIPTIONS = ("botocore.endpoint_provider", "botocore.loaders", "botocore.model", "botocore.regions")
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)
_PLAIN = frozenset((str, int, bool, float, bytes, type(None), type))
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def renew(client: Any, session: Any) -> None:
    """In a child, before anything else runs there: every lock is open, and no connection is another process's."""
    from botocore.credentials import RefreshableCredentials
    from botocore.httpsession import URLLib3Session

    # All of them first: what opens a lock changes what hangs together with what.
    found = list(_all_of((client, session)))
    for credentials in found:
        if isinstance(credentials, RefreshableCredentials):
            _ask_again(credentials)
    locks: list[Any] = [each for each in found if isinstance(each, _LOCKS)]
    for lock in locks:
        lock._at_fork_reinit()
    for each in found:
        if isinstance(each, URLLib3Session):
            _without_connections(each)


def _ask_again(credentials: Any) -> None:
    """Where a thread was fetching new keys, half of them may be there: they are fetched again."""
    if credentials._refresh_lock.locked() and credentials._expiry_time is not None:
        credentials._expiry_time = _LONG_AGO


def _managers(http_session: Any) -> list[Any]:
    found = [getattr(http_session, "_manager", None), *getattr(http_session, "_proxy_managers", {}).values()]
    return [manager for manager in found if manager is not None]


def _without_connections(http_session: Any) -> None:
    for manager in _managers(http_session):
        for pool in list(manager.pools._container.values()):
            for connection in list(pool.pool.queue) if pool.pool is not None else ():
                if getattr(connection, "sock", None) is not None:
                    abandon(connection.sock)
    # As botocore closes it; it opens again by itself.
    http_session.close()


def _all_of(roots: Iterable[Any]) -> Iterator[Any]:
    """Every lock and every object of these libraries that hangs together with `roots`."""
    waiting, seen = list(roots), set()
    while waiting:
        each = waiting.pop()
        # Its own type, and not what it says of itself: a weak proxy speaks for another object, which may be gone.
        kind: Any = type(each)
        if kind in _PLAIN or id(each) in seen:
            continue
        seen.add(id(each))
        if issubclass(kind, dict):
            waiting += each.values()
        elif issubclass(kind, list | tuple | set | frozenset | deque):
            waiting += each
        elif kind is MethodType:
            waiting.append(each.__self__)
        elif kind is FunctionType:
            waiting += each.__closure__ or ()
        elif kind is CellType:
            waiting += _content(each)
        elif kind is partial:
            waiting += [each.func, each.args, each.keywords]
        elif kind in _LOCKS:
            yield each
        elif _belongs(kind):
            yield each
            waiting += getattr(each, "__dict__", {}).values()


def _content(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:
        # It is empty.
        return []


@cache
def _belongs(kind: Any) -> bool:
    names = [base.__module__ for base in kind.__mro__]
    return (issubclass(kind, queue.Queue) or any(name.partition(".")[0] in _LIBRARIES for name in names)) and not any(
        name.startswith(_DESCRIPTIONS) for name in names
    )
