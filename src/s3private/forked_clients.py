"""boto3 after a fork: nobody ever opens the locks that a thread held, and idle connections are the parent's.

botocore keeps both where no one call reaches them, and elsewhere in each version: credentials, what those are made of,
retry quotas, HTTP sessions. So they are looked for, in all that hangs together with a client.
"""

from __future__ import annotations

import queue
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, partial
from types import CellType, FunctionType, MethodType
from typing import Any

from s3private.forks import abandon
from s3private.sockets import ClosedInChild

_LIBRARIES = ("boto3", "botocore", "s3transfer", "urllib3")
# What AWS's services look like: large, shared, and without a lock.
_DESCRIPTIONS = ("botocore.endpoint_provider", "botocore.loaders", "botocore.model", "botocore.regions")
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def of_one_process(http_session: Any) -> None:
    """A child is not to read on where the parent reads: the TLS sockets of this session of botocore's close there."""
    for manager in _managers(http_session):
        if isinstance(context := manager.connection_pool_kw.get("ssl_context"), ssl.SSLContext):
            context.sslsocket_class = ClosedInChild


def renew(client: Any, session: Any) -> None:
    """In a child, before anything else runs there: every lock is open, and no connection is another process's."""
    from botocore.credentials import RefreshableCredentials
    from botocore.httpsession import URLLib3Session

    sessions = []
    for each in _all_of((client, session)):
        if isinstance(each, RefreshableCredentials) and each._refresh_lock.locked() and each._expiry_time:
            # Half of the new keys may be there. They are asked for again.
            each._expiry_time = _LONG_AGO
        elif isinstance(each, URLLib3Session):
            sessions.append(each)
        if isinstance(each, _LOCKS):
            each._at_fork_reinit()
    for each in sessions:
        _without_connections(each)


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


def _all_of(roots: Iterable[Any]) -> Iterable[Any]:
    """Every lock and every object of these libraries that hangs together with `roots`."""
    waiting, seen = list(roots), set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | tuple | set | frozenset | deque):
            waiting += each
        elif isinstance(each, MethodType):
            waiting.append(each.__self__)
        elif isinstance(each, FunctionType):
            waiting += each.__closure__ or ()
        elif isinstance(each, CellType):
            waiting += _content(each)
        elif isinstance(each, partial):
            waiting += [each.func, each.args, each.keywords]
        elif isinstance(each, _LOCKS):
            yield each
        elif _belongs(type(each)):
            yield each
            waiting += getattr(each, "__dict__", {}).values()


def _content(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:
        # It is empty.
        return []


@cache
def _belongs(kind: type) -> bool:
    names = [base.__module__ for base in kind.__mro__]
    return (issubclass(kind, queue.Queue) or any(name.partition(".")[0] in _LIBRARIES for name in names)) and not any(
        name.startswith(_DESCRIPTIONS) for name in names
    )
