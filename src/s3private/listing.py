"""Listing is a stream: the pages under way are all that is held, however many keys there are. No cache.

Many requests are under way at once: over common prefixes, and over ranges of keys where a prefix is flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from s3private.entries import ObjectEntry, split_uri
from s3private.pages import Page

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["Listing", "ObjectEntry", "list_objects", "split_uri"]

AT_ONCE = 16
PAGE_SIZE = 1000


class Listing(Iterator[ObjectEntry]):
    """The objects, as they arrive. It can be gone through once; leaving it half-way, or `close`, ends its requests."""

    def __init__(self, bucket: str, pages: Iterator[Page]) -> None:
        self._bucket = bucket
        self._pages = pages
        self._entries = chain.from_iterable(page.entries(bucket) for page in pages)

    def __iter__(self) -> Iterator[ObjectEntry]:
        # Not self: a loop then costs no call of Python for each object.
        return self._entries

    def __next__(self) -> ObjectEntry:
        return next(self._entries)


def list_objects(
    s3: S3Client, uri: str, *, ordered: bool = False, page_size: int = PAGE_SIZE, at_once: int = AT_ONCE
) -> Listing:
    """The objects under `s3://bucket/prefix`, as they arrive.

    ordered: in key order, which is a little slower. page_size: keys per request, 1 to 1000. at_once: requests under
    way; 1 asks page after page. Raises Refused for a wrong URI; going through it raises botocore's errors.

    Memory: at most at_once pages (3 * at_once when ordered) of about 0.7 MB for 1,000 keys. Nothing is asked for while
    nobody takes what came. Objects that are there from first to last come exactly once, whatever is written meanwhile.
    """
    bucket, prefix = split_uri(uri)
    return Listing(bucket, _pages(s3, bucket, prefix, ordered, page_size, at_once))


def _pages(s3: S3Client, bucket: str, prefix: str, ordered: bool, page_size: int, at_once: int) -> Iterator[Page]:
    # Loaded here: the first listing needs them, importing does not.
    from s3private.list_requests import list_requests
    from s3private.spans import Spans

    spans = Spans(prefix, at_once=at_once, page_size=page_size, ordered=ordered)
    with list_requests(s3, bucket, at_once=at_once, page_size=page_size, request_payer=None) as requests:
        while spans:
            while (following := spans.next()) is not None:
                requests.ask(following, following[1])
            for (span, ask), page in requests.answered():
                yield from spans.answer(span, ask, page)
