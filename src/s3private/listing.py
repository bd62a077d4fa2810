"""Listing is a stream: the pages under way are all that is held, however many keys there are. No cache.

Many requests are under way at once: over common prefixes, and over ranges of keys where a prefix is flat.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import chain
from operator import methodcaller
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from s3private.buckets import refuse_elsewhere
from s3private.client import refuse_other_clients
from s3private.entries import ObjectEntry, ObjectVersion, split_uri
from s3private.errors import ReadError, Refused
from s3private.filters import Filter, Test, fixed_part, has_wildcards
from s3private.forks import InOneProcess

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from types_boto3_s3 import S3Client

    from s3private.pages import Page

__all__ = ["Listing", "ObjectEntry", "ObjectVersion", "list_objects", "list_versions", "split_uri"]

AT_ONCE = 16
PAGE_SIZE = 1000


class Listing(Iterator[ObjectEntry]):
    """The objects as they arrive: to be gone through once, as entries or as tables.

    A second loop raises Refused: it would look like an empty listing. To take it in several loops, take its iterator
    once: `entries = iter(listing)`. Leaving it, `close`, or the end of a `with` ends what is under way.
    """

    def __init__(self, bucket: str, uri: str, pages: Iterator[Page]) -> None:
        self._bucket = bucket
        self._uri = uri
        self._whole = _Whole(uri, pages)
        self._pages = InOneProcess(self._whole)
        self._begun = self._handed_out = False
        # No generator: where a thread was in one at a fork, it says no more there than that it is running.
        self._entries: Iterator[ObjectEntry] = chain.from_iterable(map(methodcaller("entries", bucket), self._pages))

    def __repr__(self) -> str:
        return f"<Listing of {self._uri}, a stream: loop over it once, or call to_pandas() or to_arrow()>"

    def __iter__(self) -> Iterator[ObjectEntry]:
        """Raises Refused where the listing was gone through already: a second loop would look like an empty one."""
        if self._whole.ended or self._handed_out:
            raise Refused(self._gone())
        self._whole.check()
        self._begun = True
        # Not self: a loop then costs no call of a Python function for each object.
        return self._entries

    def __next__(self) -> ObjectEntry:
        if self._handed_out:
            raise Refused(self._gone())
        self._whole.check()
        self._begun = True
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ask for no more, and take nothing more in."""
        self._begun = True
        self._pages.close()
        self._whole.ended = self._handed_out = False
        self._entries = chain.from_iterable(())

    def arrow_batches(self) -> Iterator[pyarrow.RecordBatch]:
        """A record batch for each page, as it arrives, with the columns of ObjectEntry. Memory: that of the listing.

        Raises Refused where pyarrow is not installed, or where the listing was gone through already.
        """
        from s3private.columns import arrow_batch, arrow_schema

        schema = arrow_schema()
        pages = self._all()
        return (arrow_batch(schema, self._bucket, page) for page in pages)

    def to_arrow(self) -> pyarrow.Table:
        """All of it as a pyarrow Table. Raises Refused as `arrow_batches` does."""
        from s3private.columns import arrow_schema, arrow_table

        return arrow_table(arrow_schema(), self.arrow_batches())

    def to_pandas(self) -> pandas.DataFrame:
        """All of it as a DataFrame; last_modified with UTC as its time zone. Raises Refused where pandas is not
        installed, or where the listing was gone through already."""
        from s3private.columns import pandas_frame

        return pandas_frame(self._bucket, self._all)

    def _all(self) -> Iterator[Page]:
        """The pages, which are handed out once: a table of what was left would look like all of it."""
        if self._begun:
            raise Refused(self._gone())
        self._begun = self._handed_out = True
        return self._pages

    def _gone(self) -> str:
        return f"{self._uri}: this listing was gone through already, or in part: call list_objects again"


class _Whole(Iterator["Page"]):
    """Pages up to their end, which is none after an error: whoever goes on then would take what came for all of it."""

    def __init__(self, uri: str, pages: Iterator[Page]) -> None:
        self._uri = uri
        self._pages = pages
        self._broken = False
        self.ended = False

    def check(self) -> None:
        if self._broken:
            raise ReadError(f"{self._uri}: this listing ended in an error, and is not whole: call list_objects again")

    def __next__(self) -> Page:
        self.check()
        try:
            return next(self._pages)
        except StopIteration:
            self.ended = True
            raise
        except BaseException:
            self._broken = True
            raise

    def close(self) -> None:
        close: Any = getattr(self._pages, "close", None)
        if close is not None:
            close()


def list_objects(
    s3: S3Client,
    uri: str,
    *,
    glob: bool = True,
    suffix: str | Collection[str] | None = None,
    regex: str | re.Pattern[str] | None = None,
    modified_after: datetime | None = None,
    modified_before: datetime | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    storage_class: str | Collection[str] | None = None,
    limit: int | None = None,
    ordered: bool = True,
    requester_pays: bool = False,
    page_size: int = PAGE_SIZE,
    at_once: int = AT_ONCE,
) -> Listing:
    """The objects under `s3://bucket/prefix`, or those that match `s3://bucket/2026/*/orders-*.csv`, as they arrive.

    glob: whether `*` and `?` in the URI are wildcards; False: they are part of the prefix. Only what is before the
    first wildcard narrows what S3 is asked for. A whole key must match. `*` and `?` do not match `/`; `**` does, and
    `**/` is any number of directories; with either, `[abc]`, `[a-z]` and `[!a-z]` are sets, `[*]` a literal `*`.
    suffix: how keys end; or a list of such ends. regex: found anywhere in the key.
    modified_after, modified_before: with a time zone; neither moment itself is in. min_size, max_size: bytes, both in.
    storage_class: one name, or several of which one. limit: at most so many objects.
    ordered: in key order (UTF-8 binary); False: as they come, with fewer requests where a prefix is flat.
    requester_pays: you pay for the requests. page_size: keys a request, 1 to 1000. at_once: requests under way, 1 or
    more; 1 asks page after page.

    Memory: at most at_once pages under way, when ordered also 2 * at_once whose turn has not come, and two more; a
    page of 1,000 keys takes about 0.5 MB. Nothing is asked for while nobody takes what came. Requests: those of page
    after page, and some whose page is empty or not full, at most about as many again.
    Objects that are there from first to last come exactly once, whatever else is written meanwhile.

    Raises Refused for wrong arguments, OutsideRoute for a directory bucket or an ARN. Going through it raises
    ReadError in S3's words when S3 refuses or does not answer (botocore's error is its `__cause__`), and for what
    cannot be the answer: no list, or not below the prefix, in order and with an end; RouteError where there are no
    credentials to sign with.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    refuse_other_clients(s3)
    bucket, prefix, pattern = _prefix_and_glob(uri, glob)
    filter = Filter(
        glob=pattern,
        suffix=suffix,
        regex=regex,
        modified_after=modified_after,
        modified_before=modified_before,
        min_size=min_size,
        max_size=max_size,
        storage_class=storage_class,
    )
    tests = filter.tests()
    if at_once < 1:
        raise Refused(f"at_once is 1 or more, not {at_once}")
    _check(limit, page_size)
    if limit is not None and not tests and limit <= page_size:
        page_size, at_once = max(1, limit), 1
    pages = _pages(s3, bucket, prefix, ordered, page_size, at_once, "requester" if requester_pays else None)
    return Listing(bucket, uri, _chosen(bucket, pages, tests, limit))


def list_versions(
    s3: S3Client,
    uri: str,
    *,
    glob: bool = True,
    suffix: str | Collection[str] | None = None,
    regex: str | re.Pattern[str] | None = None,
    modified_after: datetime | None = None,
    modified_before: datetime | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    storage_class: str | Collection[str] | None = None,
    delete_markers: bool = True,
    limit: int | None = None,
    requester_pays: bool = False,
    page_size: int = PAGE_SIZE,
) -> Iterator[ObjectVersion]:
    """All versions of the objects under `s3://bucket/prefix`, or that match a glob: by key, the newest first.

    delete_markers: whether they are in, too. Else see `list_objects`. It asks page after page.
    Memory: a page. Raises what `list_objects` raises.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    """
    from s3private.versions import versions

    refuse_other_clients(s3)
    bucket, prefix, pattern = _prefix_and_glob(uri, glob)
    filter = Filter(
        glob=pattern,
        suffix=suffix,
        regex=regex,
        modified_after=modified_after,
        modified_before=modified_before,
        min_size=min_size,
        max_size=max_size,
        storage_class=storage_class,
    )
    _check(limit, page_size)
    found = versions(s3, bucket, prefix, filter.tests(), delete_markers, limit, requester_pays, page_size)
    return InOneProcess(found)


def _check(limit: int | None, page_size: int) -> None:
    if not 1 <= page_size <= PAGE_SIZE:
        raise Refused(f"page_size is 1 to {PAGE_SIZE}, not {page_size}")
    if limit is not None and limit < 0:
        raise Refused(f"limit is 0 or more, or None for all, not {limit}")


def _prefix_and_glob(uri: str, glob: bool) -> tuple[str, str, str | None]:
    bucket, prefix = split_uri(uri)
    refuse_elsewhere(bucket)
    return (bucket, fixed_part(prefix), prefix) if glob and has_wildcards(prefix) else (bucket, prefix, None)


def _chosen(bucket: str, pages: Iterator[Page], tests: list[Test], limit: int | None) -> Iterator[Page]:
    for page in pages if limit is None or limit > 0 else ():
        wanted = page
        if tests:
            wanted = page.chosen([all(test(entry) for test in tests) for entry in page.entries(bucket)])
        if limit is not None:
            wanted = wanted.part(0, limit)
            limit -= len(wanted.keys)
        if wanted.keys:
            yield wanted
        if limit == 0:
            return


def _pages(
    s3: S3Client,
    bucket: str,
    prefix: str,
    ordered: bool,
    page_size: int,
    at_once: int,
    request_payer: str | None,
) -> Iterator[Page]:
    # Loaded here: the first listing needs them, importing does not.
    from s3private.botocore_errors import as_ours
    from s3private.list_requests import list_requests
    from s3private.page_checks import wrong_with
    from s3private.spans import Spans

    spans = Spans(prefix, at_once=at_once, page_size=page_size, ordered=ordered)
    asked = list_requests(s3, bucket, at_once=at_once, page_size=page_size, request_payer=request_payer)
    with as_ours(s3, f"s3://{bucket}/{prefix}"), asked as requests:
        while spans:
            while (following := spans.next()) is not None:
                requests.ask(following, following[1])
            for (span, ask), page in requests.answered():
                came = bool(page.keys or page.prefixes)
                if wrong := wrong_with(ask, page) or span.way.wrong(ask.token, page.token, came):
                    raise ReadError(f"s3://{bucket}/{ask.prefix}: {wrong}")
                yield from spans.answer(span, ask, page)
