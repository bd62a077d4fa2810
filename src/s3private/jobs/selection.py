"""What `list` and `read` have in common: the parameters that choose objects, and the choice."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING

from s3private.client import connect
from s3private.errors import RouteError
from s3private.jobs.ending import Parameters
from s3private.jobs.place import in_volume
from s3private.listing import ObjectEntry, list_objects
from s3private.route import Route

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def selecting(job: str) -> Parameters:
    """The parameters of a job that chooses objects."""
    parameters = Parameters(prog=job)
    parameters.add_argument("--volume", required=True, help="where relative files begin")
    parameters.add_argument("--route", required=True, help="the Route's file")
    parameters.add_argument("--bucket", default="", help="default: the Route's, where it has one")
    parameters.add_argument("--prefix", default="")
    parameters.add_argument("--glob", default="", help="keys that match, such as *.csv; * matches / too")
    parameters.add_argument("--limit", type=_limit, default=None, help="at most so many objects; empty: all")
    parameters.add_argument("--output", required=True, help="where results go, in the volume")
    parameters.add_argument("--table", default="", help="catalog.schema.table for the rows too; empty: none")
    return parameters


def select(arguments: argparse.Namespace) -> tuple[S3Client, Iterator[ObjectEntry]]:
    """A client for the Route, and the chosen objects in key order. Raises RouteError."""
    route = Route.load(in_volume(arguments.volume, arguments.route))
    s3 = connect(route)
    found = list_objects(s3, f"s3://{_bucket(arguments.bucket, route)}/{arguments.prefix}", glob=False)
    matching = (entry for entry in found if not arguments.glob or fnmatchcase(entry.key, arguments.glob))
    return s3, islice(matching, arguments.limit)


def _bucket(asked: str, route: Route) -> str:
    if asked:
        return asked
    if len(route.buckets) == 1:
        return route.buckets[0]
    raise RouteError(f"bucket: the path {route.path} has several: name one of {', '.join(route.buckets)}")


def _limit(text: str) -> int | None:
    return int(text) if text else None
