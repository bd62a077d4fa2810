"""Job `verify`: use the path once from this compute, and say what that proves.

Where it cannot connect it fails; but for the run that has just changed the path, where that is still to be expected.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from s3private.errors import NotYet
from s3private.jobs.arriving import changed_by
from s3private.jobs.ending import Ending, Parameters, run_job
from s3private.jobs.place import in_volume, path_file_in, route_of_path_file
from s3private.printable import plain
from s3private.verification import verify

_PAUSE_SECONDS = 15.0
_NOTHING_TO_ARRIVE = (
    "Provision changed nothing in this run that would still have to arrive: `plan` says whether the path is as it was "
    "asked for"
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    parameters = Parameters(prog="verify")
    parameters.add_argument("--path-file", required=True)
    parameters.add_argument("--volume", required=True, help="where a relative route.file begins")
    parameters.add_argument("--files", default="", help="the bundle's folder of path files: none other is read")
    parameters.add_argument("--routes", default="", help="the folder in the volume that Routes lie in")
    parameters.add_argument("--wait-minutes", type=float, default=0.0)
    parameters.add_argument("--run", default="", help="the run's id, by which it knows what provision changed in it")
    parameters.add_argument("--dry-run", choices=("true", "false"), default="false")
    run_job(_verify, parameters, argv)


def _verify(arguments: argparse.Namespace) -> Ending:
    if arguments.dry_run == "true":
        return Ending(
            table="verify: a dry run wrote nothing, so there is nothing to verify", result={"outcome": "skipped"}
        )
    path_file = path_file_in(arguments.files, arguments.path_file)
    route = in_volume(arguments.volume, route_of_path_file(path_file), below=arguments.routes, parameter="route.file")
    until = time.monotonic() + arguments.wait_minutes * 60
    while True:
        try:
            seen = verify(route)
        except NotYet as error:
            if time.monotonic() + _PAUSE_SECONDS > until:
                if changed_by(arguments.run, route):
                    return _not_yet(arguments.wait_minutes, str(error))
                if arguments.run:
                    raise NotYet(f"{error}. {_NOTHING_TO_ARRIVE}") from error
                raise
            print(f"verify: not yet: {plain(str(error))}", flush=True)
            time.sleep(_PAUSE_SECONDS)
        else:
            return Ending(table=seen.as_table(), result={"outcome": "verified", **seen.as_dict()})


def _not_yet(minutes: float, said: str) -> Ending:
    """After a run that has changed the path a moment ago: the compute that waits keeps the names that it began with, so
    that nothing is wrong, and nothing proven."""
    words = (
        f"verify: not yet, after {minutes:.0f} minutes: {plain(said)}\n\nNothing failed, and nothing is proven. "
        "This run changed the path, and compute that was running before keeps its old names: run the provision job "
        "again in an hour, on new compute. Where it changes nothing then and still cannot connect, it fails"
    )
    return Ending(table=words, result={"outcome": "not-yet", "reason": plain(said)})
