"""Which of Databricks' refusals pass by themselves, and how reads and deletions are asked again for as long as they do.

The SDK asks again after a 429, a 503 and a lost connection. A 500, a gateway's 502 and a 409 for what is in progress it
hands on. What creates or changes something is not asked again here: whoever asks looks first.
https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/_base_client.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from databricks.sdk.clock import Clock as SdkClock
from databricks.sdk.config import Config as DatabricksConfig
from databricks.sdk.core import ApiClient
from databricks.sdk.errors import DeadlineExceeded, InternalError, TemporarilyUnavailable
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.errors.platform import Aborted, ResourceConflict, TooManyRequests
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ProxyError, SSLError, Timeout

RETRY_SECONDS = 120
"""How long Databricks is asked again; the SDK's own 300 s would look like a hang."""
_LATER = re.compile(r"in progress|concurrent|try again|being (?:created|updated|changed|deleted|provisioned)", re.I)
T = TypeVar("T")


def _cause(error: BaseException | None) -> BaseException | None:
    """The SDK gives up with a TimeoutError, whatever it was told until then."""
    return error.__cause__ if isinstance(error, TimeoutError) and error.__cause__ else error


def refused_for_now(error: BaseException | None) -> bool:
    """Whether nothing was done because of too many requests, or of another operation that is in progress. A quota may
    be answered by a 429 as well, with a code of its own."""
    error = _cause(error)
    if isinstance(error, TooManyRequests):
        return error.error_code in (None, "", "REQUEST_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS")
    return isinstance(error, Aborted) or (
        isinstance(error, ResourceConflict) and type(error) is ResourceConflict and bool(_LATER.search(str(error)))
    )


def reply_lost(error: BaseException | None) -> bool:
    """Whether nobody knows if it was done: a failure within the platform or on the way. A status that the SDK has no
    class for, such as 502, comes as its base class."""
    error = _cause(error)
    if isinstance(error, SSLError | ProxyError):
        return False
    lost = InternalError | TemporarilyUnavailable | DeadlineExceeded | NotConnected | Timeout | TimeoutError
    return isinstance(error, lost) or type(error) is DatabricksError


def patiently(call: Callable[[], T], clock: SdkClock) -> T:
    """What `call` returns, asked again while its refusal passes by itself. Only for what may be done twice."""
    began, tries = clock.time(), 0
    while True:
        tries += 1
        try:
            return call()
        except DatabricksError as error:
            pause = float(min(10, tries))
            passes = refused_for_now(error) or reply_lost(error)
            if not passes or clock.time() + pause >= began + RETRY_SECONDS:
                raise
            clock.sleep(pause)


class PatientApi(ApiClient):
    """Asks again, by the clock of its settings, for what reads or deletes."""

    def __init__(self, settings: DatabricksConfig, clock: SdkClock) -> None:
        super().__init__(settings)
        self._patience = clock

    def do(self, *args: Any, **kwargs: Any) -> Any:
        method = args[0] if args else kwargs["method"]
        send = super().do
        if method not in ("GET", "DELETE"):
            return send(*args, **kwargs)
        return patiently(lambda: send(*args, **kwargs), self._patience)
