"""List requests, many at once: over the wire where there is one; what it does not understand goes through boto3.

The thread that takes the answers drives it all: while it takes none, nothing new is asked, and nothing piles up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from s3private.client import wire_of
from s3private.exchange import Exchange
from s3private.forks import Here
from s3private.list_xml import page_of
from s3private.pages import Page, not_understood, parse_page
from s3private.raw_answers import raw_answer
from s3private.spans import Ask
from s3private.threads import Threads
from s3private.wire import Answer, Wire, list_get

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# What may stand in a URL's path as it is; anything else that boto3 takes for a bucket (an ARN) is boto3's to send.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class ListRequests(Protocol):
    """A context manager: `ask`, then take what `answered`."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ask(self, tag: object, ask: Ask) -> None:
        """Send it as soon as there is room; its page comes out of `answered` with `tag`."""

    def answered(self) -> list[tuple[Any, Page]]:
        """Wait until there is a page, and take all there are. Raises what boto3 raised."""


def list_requests(
    s3: S3Client, bucket: str, *, at_once: int, page_size: int, request_payer: str | None
) -> ListRequests:
    """The fastest way to ask for lists of `bucket` with this client."""

    def through_boto3(ask: Ask) -> Page:
        wanted: dict[str, Any] = {"Bucket": bucket, "Prefix": ask.prefix, "MaxKeys": page_size}
        if ask.token is not None:
            wanted["ContinuationToken"] = ask.token
        elif ask.start_after:
            wanted["StartAfter"] = ask.start_after
        if ask.delimiter:
            wanted["Delimiter"] = "/"
        if request_payer:
            wanted["RequestPayer"] = request_payer
        uri = f"s3://{bucket}/{ask.prefix}"
        return page_of(uri, raw_answer(s3, "list_objects_v2", uri, **wanted).body)

    wire = wire_of(s3)
    if wire is None or not _BUCKET.fullmatch(bucket):
        return _Threads(through_boto3, at_once)
    return _OverTheWire(wire, bucket, through_boto3, at_once, page_size, request_payer)


class _OverTheWire:
    def __init__(
        self,
        wire: Wire,
        bucket: str,
        through_boto3: Callable[[Ask], Page],
        at_once: int,
        page_size: int,
        request_payer: str | None,
    ) -> None:
        self._exchange = Exchange(wire, sockets=at_once, lists=True)
        self._bucket = bucket
        self._through_boto3 = through_boto3
        self._always = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(page_size))]
        self._headers = (("x-amz-request-payer", request_payer),) if request_payer else ()

    def __enter__(self) -> Self:
        self._exchange.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.__exit__(kind, error, trace)

    def ask(self, tag: object, ask: Ask) -> None:
        parameters = [*self._always, ("prefix", ask.prefix)]
        if ask.token is not None:
            parameters.append(("continuation-token", ask.token))
        elif ask.start_after:
            parameters.append(("start-after", ask.start_after))
        if ask.delimiter:
            parameters.append(("delimiter", "/"))
        get = list_get(self._bucket, parameters)._replace(headers=self._headers)
        self._exchange.ask((tag, ask), get)

    def answered(self) -> list[tuple[Any, Page]]:
        pages: list[tuple[Any, Page]] = []
        while not pages:
            for (tag, ask), outcome in self._exchange.answered():
                page = None
                if isinstance(outcome, Future):
                    page = outcome.result()
                elif isinstance(outcome, Answer):
                    page = parse_page(outcome.body)
                if page is None:
                    why = not_understood(outcome.body) if isinstance(outcome, Answer) else ""
                    uri = f"s3://{self._bucket}/{ask.prefix}"
                    self._exchange.ask_boto3((tag, ask), partial(self._through_boto3, ask), uri, outcome, why)
                else:
                    pages.append((tag, page))
        return pages


class _Threads:
    def __init__(self, through_boto3: Callable[[Ask], Page], at_once: int) -> None:
        self._through_boto3 = through_boto3
        self._pool = Threads(at_once, "s3private-list")
        self._running: dict[Future[Page], object] = {}
        self._here = Here()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def ask(self, tag: object, ask: Ask) -> None:
        self._here.check()
        self._running[self._pool.submit(self._through_boto3, ask)] = tag

    def answered(self) -> list[tuple[Any, Page]]:
        self._here.check()
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]
