"""Jobs `plan`, `provision`, `maintain` and `destroy`: the command line's verbs, ended as jobs end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from s3private import cli
from s3private.errors import ConfigError, PlatformError
from s3private.jobs.arriving import forget_change, note_change
from s3private.jobs.ending import Ending, Parameters, run_job
from s3private.jobs.place import in_volume, path_file_in
from s3private.jobs.wheel import grants, next_steps, place_wheel
from s3private.provision.clients import account_host
from s3private.provision.config import PathConfig
from s3private.provision.engine import Action, Outcome, Report
from s3private.provision.render import as_json, as_table


def plan(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_walk, _parameters("plan"), argv)


def provision(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    parameters = _parameters("provision")
    parameters.add_argument("--dry-run", choices=("true", "false"), default="false")
    parameters.add_argument("--wheels", default="", help="the folder of the deployed wheel; empty: it is not copied")
    parameters.add_argument("--readers", default="", help="the group of those who read, named in the grants")
    parameters.add_argument("--run", default="", help="the run's id, by which verify knows what this run changed")
    _add_waiting(parameters)
    run_job(_walk, parameters, argv)


def maintain(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed, also where something has drifted."""
    parameters = _parameters("maintain")
    _add_waiting(parameters)
    run_job(_walk, parameters, argv)


def destroy(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    parameters = _parameters("destroy")
    parameters.add_argument("--confirm", required=True, help="the path's name")
    _add_waiting(parameters)
    run_job(_walk, parameters, argv)


def _parameters(verb: str) -> Parameters:
    parameters = Parameters(prog=verb)
    parameters.set_defaults(verb=verb)
    parameters.add_argument("--path-file", required=True)
    parameters.add_argument("--volume", required=True, help="where a relative route.file begins")
    parameters.add_argument("--secret-scope", required=True)
    parameters.add_argument("--files", default="", help="the bundle's folder of path files: none other is read")
    parameters.add_argument("--routes", default="", help="the folder in the volume that Routes lie in")
    parameters.add_argument("--account-host", default="", help="the account console; default: Databricks' own")
    parameters.add_argument("--owner", default="", help="whose path it is: see path.owner in the path file")
    parameters.add_argument("--client-id-key", default="client-id")
    parameters.add_argument("--client-secret-key", default="client-secret")
    return parameters


def _add_waiting(parameters: Parameters) -> None:
    parameters.add_argument("--timeout", type=cli.duration, default=5400.0, help="how long to wait in all")
    parameters.add_argument("--poll", type=cli.interval, default=10.0, help="time between two looks")


def _walk(given: argparse.Namespace) -> Ending:
    given.path_file = str(path_file_in(given.files, given.path_file))
    _confined(given)
    words = [
        given.verb,
        given.path_file,
        f"--route-base={given.volume}",
        f"--owner={given.owner}",
        f"--account-host={given.account_host}",
        f"--secret-scope={given.secret_scope}",
        f"--client-id-key={given.client_id_key}",
        f"--client-secret-key={given.client_secret_key}",
    ]
    if "timeout" in given:
        words += [f"--timeout={given.timeout}", f"--poll={given.poll}"]
    if "confirm" in given:
        words.append(f"--confirm={given.confirm}")
    if getattr(given, "dry_run", "false") == "true":
        words.append("--dry-run")
    if given.verb == "destroy":
        _confirmed(given)
    report, path = cli.report_of(cli.parser().parse_args(words))
    reason = "" if _ended_well(report) else f"{report.outcome}: {report.message}"
    ending = Ending(table=as_table(report, path), result=json.loads(as_json(report, path)), reason=reason)
    try:
        _tell_verify(given, report)
    except OSError as error:
        return replace(ending, reason=ending.reason or f"{error.filename}: {error.strerror or error}")
    if given.verb == "provision" and given.dry_run == "false" and report.outcome is Outcome.SETTLED and given.wheels:
        return _for_notebooks(given, ending)
    return ending


def _tell_verify(given: argparse.Namespace, report: Report) -> None:
    route = Path(given.volume) / PathConfig.load(given.path_file).route_file
    if given.verb == "provision" and any(change.late for change in report.changes):
        note_change(route, given.run)
    if given.verb == "destroy" and not route.exists():
        forget_change(route)


def _for_notebooks(given: argparse.Namespace, ending: Ending) -> Ending:
    """The path is there: so is the wheel, then, and how a notebook gets at both is the last that is said."""
    config = PathConfig.load(given.path_file)
    try:
        requirements = place_wheel(Path(given.wheels), Path(given.volume))
    except PlatformError as error:
        return replace(ending, reason=str(error))
    said = [ending.table, next_steps(requirements, Path(given.volume) / config.route_file)]
    if statements := grants(given.volume, given.readers, config.route_service_credential):
        said.append("Who reads needs, once, from an owner:\n\n" + "\n".join(f"    {one}" for one in statements))
    return replace(ending, table="\n\n".join(said), result={**ending.result, "install": f"-r {requirements}"})


def _confined(given: argparse.Namespace) -> None:
    """Where a job writes the Route, and to whom it sends the account's client secret, is the deployment's to say.
    Raises ConfigError, Refused."""
    config = PathConfig.load(given.path_file)
    deployed = given.account_host or account_host(replace(config, account_host=None))
    hosts = {"account_host": (config.account_host, deployed), "workspace_host": (config.workspace_host, None)}
    for key, (host, allowed) in hosts.items():
        if host not in (None, allowed):
            raise ConfigError(
                f"{given.path_file}: databricks.{key}: a job takes no host from a path file: the deployment names the "
                "account console (the bundle's variable account_host), and the workspace is the job's own"
            )
    in_volume(given.volume, config.route_file, below=given.routes, parameter="route.file")


def _confirmed(given: argparse.Namespace) -> None:
    """As the command line would, in a job's words. Raises ConfigError."""
    name = PathConfig.load(given.path_file).name
    if given.confirm != name:
        raise ConfigError(f"destroy removes the path {name} that workspaces may be using: --params confirm={name}")


def _ended_well(report: Report) -> bool:
    """What the platform keeps for days, or for ever, is said in the table; it is not a failure of the run."""
    if report.outcome in (Outcome.SETTLED, Outcome.PLANNED):
        return True
    left = [change for change in report.changes if change.action is Action.REMAINS]
    return report.verb == "destroy" and report.outcome is Outcome.RUN_AGAIN and all(change.until for change in left)
