"""What `list` and `read` have in common: the parameters that choose objects, and the choice."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from s3private.cli_objects import count, moment, size
from s3private.client import connect
from s3private.errors import Refused, RouteError
from s3private.jobs.ending import Parameters
from s3private.jobs.place import in_volume
from s3private.listing import Listing, list_objects
from s3private.route import Route
from s3private.whereabouts import refuse_elsewhere

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_RUN_ID = "{{job.run_id}}"
T = TypeVar("T")


def selecting(job: str) -> Parameters:
    """The parameters of a job that chooses objects; the filters are those of `list_objects`, empty: not filtered."""
    parameters = Parameters(prog=job)
    parameters.add_argument("--volume", required=True, help="where relative files begin")
    parameters.add_argument("--route", required=True, help="the Route's file")
    parameters.add_argument("--bucket", default="", help="default: the Route's, where it has one")
    parameters.add_argument("--prefix", default="")
    parameters.add_argument("--glob", default="", help="what follows the prefix, such as **/*.csv")
    parameters.add_argument("--suffix", default="", help="how keys end, such as .csv")
    parameters.add_argument("--regex", default="", help="found anywhere in the key")
    parameters.add_argument("--modified-after", type=_given(moment), help="1d or 12h ago, or 2026-01-31T12:00")
    parameters.add_argument("--modified-before", type=_given(moment))
    parameters.add_argument("--min-size", type=_given(size), help="1500, 10K, 2GiB")
    parameters.add_argument("--max-size", type=_given(size))
    parameters.add_argument("--storage-class", default="", help="such as STANDARD")
    parameters.add_argument("--limit", type=_given(count), help="at most so many objects")
    parameters.add_argument("--output", required=True, help="where results go, in the volume")
    parameters.add_argument("--table", default="", help="a table for the rows too, which is replaced; empty: none")
    given = parameters.add_argument_group("given by the deployment, not by a run")
    given.add_argument("--routes", default="", help="the folder in the volume that Routes lie in")
    given.add_argument("--results", default="", help="the folder in the volume that results go to")
    given.add_argument("--run", default="", help="what {{job.run_id}} is in the output")
    given.add_argument("--schema", default="", help="catalog.schema that the table is in")
    return parameters


def select(arguments: argparse.Namespace) -> tuple[S3Client, Listing]:
    """A client for the Route, and the chosen objects in key order. Raises RouteError."""
    route = Route.load(in_volume(arguments.volume, arguments.route, below=arguments.routes, parameter="route"))
    bucket = _bucket(arguments.bucket, route)
    if arguments.prefix.startswith("s3://"):
        raise Refused(f"prefix: {arguments.prefix} is a URI: give the bucket as bucket, and what follows it as prefix")
    s3 = connect(route)
    refuse_elsewhere(route)
    prefix = _literal(arguments.prefix) if arguments.glob else arguments.prefix
    return s3, list_objects(
        s3,
        f"s3://{bucket}/{prefix}{arguments.glob}",
        glob=bool(arguments.glob),
        suffix=arguments.suffix or None,
        regex=arguments.regex or None,
        modified_after=arguments.modified_after,
        modified_before=arguments.modified_before,
        min_size=arguments.min_size,
        max_size=arguments.max_size,
        storage_class=arguments.storage_class or None,
        limit=arguments.limit,
    )


def place_of_results(arguments: argparse.Namespace) -> Path:
    """Where the results go. Raises Refused for a place outside the folder for them, before anything is asked for.

    Runs go on beside each other, and none may write over another's: the jobs' own default names the run. A service that
    takes a parameter's value as it is written leaves the reference to this.
    https://docs.databricks.com/aws/en/jobs/dynamic-value-references
    """
    output = arguments.output.replace(_RUN_ID, arguments.run) if arguments.run else arguments.output
    return in_volume(arguments.volume, output, below=arguments.results, parameter="output")


def _bucket(asked: str, route: Route) -> str:
    if asked and asked not in route.buckets:
        raise Refused(f"bucket: {asked} is none of the path {route.path}'s, which are {', '.join(route.buckets)}")
    if asked:
        return asked
    if len(route.buckets) == 1:
        return route.buckets[0]
    raise RouteError(f"bucket: the path {route.path} has several: name one of {', '.join(route.buckets)}")


def _literal(prefix: str) -> str:
    """The prefix as a part of a glob: its own wildcards mean themselves."""
    return re.sub(r"[*?[]", r"[\g<0>]", prefix)


def _given(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """As the command line reads it; an empty value is none."""
    return lambda text: parse(text) if text else None
