"""The command line: plan, provision, destroy and verify a path; list and read over it.

Exit codes: 0 settled, or a plan that can be done · 1 failed · 2 refused, nothing written · 3 run again ·
130 interrupted.
Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3private import cli_objects
from s3private.errors import ConfigError, S3PrivateError
from s3private.output import aside, result
from s3private.printable import escape_what_cannot_be_shown, plain

if TYPE_CHECKING:
    from s3private.provision.clients import Clients, SecretKeys
    from s3private.provision.config import PathConfig
    from s3private.provision.engine import AnyStep, Report

EXIT_INTERRUPTED = 130


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def duration(text: str) -> float:
    """`90`, `90s`, `45m`, `2h` in seconds; for argparse, which turns the ValueError into its message."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text, re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"not a duration: {text!r} (write 90s, 45m or 2h)")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]


def interval(text: str) -> float:
    """A duration between two looks: none at all would ask AWS as fast as it answers."""
    seconds = duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"not a time between two looks: {text!r} (write 10s)")
    return seconds


_ABOUT = {
    "plan": (
        "Read everything that the path needs and say, step by step, what provision would do. It writes nothing, ever, "
        "and refuses whatever provision would refuse.",
        "s3private plan paths/demo.toml",
    ),
    "provision": (
        "Build the path that the path file asks for, or mend it, and write its Route. Run it again at any time: it "
        "goes on where it was, and changes nothing that is as it was asked for.",
        "s3private provision paths/demo.toml --timeout 90m",
    ),
    "maintain": (
        "Keep the load balancer's targets in step with the endpoint's addresses, which AWS may change, and say what "
        "else has drifted without changing it (exit code 3, or 2 where a person decides).",
        "s3private maintain paths/demo.toml --timeout 20m",
    ),
    "destroy": (
        "Remove what the path made, last step first, and nothing else. Databricks keeps a rule for one to seven days: "
        "what remains is listed with when it goes (exit code 3), and the same command later removes the rest.",
        "s3private destroy paths/demo.toml --confirm demo",
    ),
    "verify": (
        "Use the path once from this compute: resolve, connect, read the certificate, list one key of each bucket; and "
        "say what that proves and what it does not.",
        "s3private verify routes/demo.route.json",
    ),
    "list": (
        "List the objects under a prefix, or those that match wildcards, over the path. Filters all hold together.",
        "s3private list routes/demo.route.json 's3://sales-records/2026/**/*.csv' --min-size 10K --limit 20",
    ),
    "read": (
        "Read objects over the path: into files that can be gone on with after an interruption, or to standard output.",
        "s3private read routes/demo.route.json s3://sales-records/2026/ --suffix .csv --to got",
    ),
}
"""What each command does, and an example."""


class _Command(argparse.ArgumentParser):
    """One command's parser: its help begins with what it does, and ends with an example on a line of its own."""

    def __init__(self, prog: str, **more: Any) -> None:
        about, example = _ABOUT[prog.rpartition(" ")[2]]
        super().__init__(prog=prog, description=about, **more)
        self.example = f"example: {example}"

    def format_help(self) -> str:
        return f"{super().format_help()}\n{self.example}\n"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="s3private",
        description="Build, prove and remove a private path from Databricks serverless compute to S3.",
        epilog="Exit codes: 0 settled, 1 failed, 2 refused (nothing was written), 3 run again, 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"s3private {version('s3private')}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=_Command)
    plan = verbs.add_parser("plan", help="say what provision would do; writes nothing, ever")
    provision = verbs.add_parser("provision", help="build the path, or mend it; run again at any time")
    provision.add_argument("--dry-run", action="store_true", help="the same as plan")
    destroy = verbs.add_parser("destroy", help="remove what the path made, and say what remains")
    destroy.add_argument("--confirm", metavar="NAME", help="the path's name, to show that you mean this one")
    plan.add_argument("--exit-code", action="store_true", help="end with 3 where provision would have something to do")
    provision.add_argument(
        "--only", choices=("targets",), help="keep the targets in step with the endpoint's addresses, and nothing else"
    )
    maintain = verbs.add_parser(
        "maintain", help="keep the targets in step, and say what else has drifted; for a scheduled job"
    )
    for verb in (plan, provision, maintain, destroy):
        verb.set_defaults(only="targets" if verb is maintain else None, dry_run=False)
        verb.add_argument("file", help="the path file, such as paths/demo.toml")
        verb.add_argument(
            "-o",
            "--output",
            choices=("table", "json"),
            default="table",
            help="for people, or one document for programs",
        )
        verb.add_argument(
            "--secret-scope",
            metavar="SCOPE",
            help="read the account service principal's client id and secret from this secret scope of the workspace, "
            "not from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
        )
        verb.add_argument(
            "--client-id-key", metavar="KEY", default="client-id", help="in that scope; default client-id"
        )
        verb.add_argument(
            "--client-secret-key", metavar="KEY", default="client-secret", help="in that scope; default client-secret"
        )
        verb.add_argument(
            "--route-base",
            metavar="DIRECTORY",
            default="",
            help="where a relative route.file begins, such as a volume's folder; default: the working directory",
        )
        verb.add_argument(
            "--owner",
            metavar="WHO",
            help="whose path it is, such as a team or a target: written into its tags, and no other run crosses it; "
            "default: path.owner in the path file",
        )
        verb.add_argument(
            "--account-host",
            metavar="URL",
            default="",
            help="the account console, in place of databricks.account_host in the path file",
        )
        verb.add_argument(
            "--side",
            choices=("aws", "databricks"),
            help="only what this owner builds, with this owner's credentials alone; needs --handover",
        )
        verb.add_argument(
            "--handover", metavar="FILE", type=Path, help="what the two sides tell each other: written and read here"
        )
    for verb in (provision, maintain, destroy):
        verb.add_argument(
            "--timeout",
            type=duration,
            default=3600.0,
            metavar="TIME",
            help="how long to wait in all: 90s, 45m or 2h (default 60m)",
        )
        verb.add_argument(
            "--poll", type=interval, default=10.0, metavar="TIME", help="time between two looks (default 10s)"
        )
    cli_objects.add_verbs(verbs)
    verify = verbs.add_parser("verify", help="use the path once from here, and say what that proves")
    verify.add_argument("route", help="the Route's file, as provision wrote it")
    verify.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="for people, or one document for programs"
    )
    cli_objects.add_signing(verify)
    return top


def _progress(line: str) -> None:
    aside(f"{time.strftime('%H:%M:%S')}  {line}")


def report_of(arguments: argparse.Namespace) -> tuple[Report, str]:
    """Run what `parser` read; returns the Report and the path's name. Raises S3PrivateError."""
    try:
        importlib.import_module("databricks.sdk")
    except ImportError as error:
        raise ConfigError("this command needs the operator half: pip install 's3private[provision]'") from error
    from s3private.provision.config import PathConfig

    config = PathConfig.load(arguments.file)
    config = replace(config, route_file=str(Path(arguments.route_base) / config.route_file))
    if arguments.account_host:
        config = config.at_account_host(arguments.account_host, "--account-host")
    if arguments.owner:
        config = config.owned_by(arguments.owner, "--owner")
    if arguments.verb == "destroy" and arguments.confirm != config.name:
        other = f" (not {arguments.confirm})" if arguments.confirm else ""
        raise ConfigError(
            f"destroy removes the path {config.name} that workspaces may be using: add --confirm {config.name}{other}"
        )
    report = _walked(arguments, config)
    return replace(report, where=_where(arguments, config), elsewhere=_elsewhere(arguments, config)), config.name


def _elsewhere(arguments: argparse.Namespace, config: PathConfig) -> str:
    if arguments.verb != "destroy" or not arguments.side:
        return ""
    if arguments.side == "aws":
        return (
            f"What the other side made in Databricks account {config.databricks_account_id} was not looked at: rule, "
            "NCC, attachments and Route stay until its owner runs destroy --side databricks."
        )
    return (
        f"What the other side made in AWS account {config.aws_account_id} was not looked at: endpoint, load balancer "
        "and endpoint service stay, and cost money, until its owner runs destroy --side aws."
    )


def _width() -> int | None:
    """Of the terminal that standard output is; None in a pipe or a file, where nothing is folded."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def _where(arguments: argparse.Namespace, config: PathConfig) -> str:
    """What was looked through: elsewhere something of the path may stand."""
    aws = f"AWS account {config.aws_account_id}, {config.region}"
    databricks = f"Databricks account {config.databricks_account_id}"
    return {"aws": aws, "databricks": databricks}.get(arguments.side, f"{aws}, and {databricks}")


def _walked(arguments: argparse.Namespace, config: PathConfig) -> Report:
    from s3private.provision import engine
    from s3private.provision.clients import Clients
    from s3private.provision.maintenance import maintain
    from s3private.provision.steps import target_steps

    clients = Clients(config, _secret_keys(arguments), say=_progress)
    if arguments.only and arguments.side == "databricks":
        raise ConfigError("the targets are the AWS side's: there is nothing to keep in step on the Databricks side")
    targets = target_steps(config, clients) if arguments.only == "targets" else []
    path = targets if targets and arguments.verb != "maintain" else _steps(arguments, config, clients)
    if arguments.verb == "plan" or arguments.dry_run:
        return engine.plan(path)
    clock, timeout, poll = SystemClock(), arguments.timeout, arguments.poll
    if arguments.verb == "maintain":
        return maintain(targets, path, clock=clock, timeout=timeout, poll=poll, progress=_progress)
    if arguments.verb == "destroy":
        return engine.destroy(path, clock=clock, timeout=timeout, poll=poll, progress=_progress)
    only = targets[-1] if targets else None
    return engine.provision(path, clock=clock, timeout=timeout, poll=poll, progress=_progress, only=only)


def _secret_keys(arguments: argparse.Namespace) -> SecretKeys | None:
    from s3private.provision.clients import SecretKeys

    # An empty scope is none: a job's parameter always has a value.
    if not arguments.secret_scope:
        return None
    return SecretKeys(
        scope=arguments.secret_scope,
        client_id_key=arguments.client_id_key,
        client_secret_key=arguments.client_secret_key,
    )


def _steps(arguments: argparse.Namespace, config: PathConfig, clients: Clients) -> list[AnyStep]:
    from s3private.provision import steps

    side, handover = arguments.side, arguments.handover
    if bool(side) != bool(handover):
        raise ConfigError("--side and --handover go together: a side runs alone on what the other has handed over")
    if side == "aws":
        return steps.aws_side_steps(config, clients, handover)
    if side == "databricks":
        return steps.databricks_side_steps(config, clients, handover)
    return steps.path_steps(config, clients)


def _verify(arguments: argparse.Namespace) -> int:
    from s3private.verification import verify

    seen = verify(arguments.route, **cli_objects.signing(arguments))
    result(json.dumps(seen.as_dict(), indent=2) if arguments.output == "json" else seen.as_table())
    return 0


def _ended(arguments: argparse.Namespace, error: S3PrivateError) -> int:
    """The reason on standard error; and a document for the program that asked for one, in the keys of a Report."""
    code = error.exit_code
    if arguments.output == "json" and arguments.verb not in cli_objects.VERBS:
        outcome = {2: "refused", 3: "run-again"}.get(code, "failed")
        document = {"verb": arguments.verb, "path": "", "outcome": outcome, "message": str(error), "where": ""}
        with contextlib.suppress(S3PrivateError):
            result(json.dumps({**document, "changes": [], "notes": []}, indent=2))
    aside(f"s3private: {plain(str(error))}")
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    escape_what_cannot_be_shown()
    arguments = parser().parse_args(argv)
    try:
        if arguments.verb == "verify":
            return _verify(arguments)
        if arguments.verb in cli_objects.VERBS:
            return cli_objects.run(arguments)
        report, path = report_of(arguments)
        from s3private.provision.render import as_json, as_table

        result(as_json(report, path) if arguments.output == "json" else as_table(report, path, _width()))
    except S3PrivateError as error:
        return _ended(arguments, error)
    except KeyboardInterrupt:
        aside("s3private: interrupted. Nothing is lost and nothing is kept open: run the same command again to go on.")
        return EXIT_INTERRUPTED
    from s3private.provision.engine import Outcome

    if report.outcome is Outcome.PLANNED and getattr(arguments, "exit_code", False):
        return 3
    if report.outcome in (Outcome.SETTLED, Outcome.PLANNED):
        return 0
    more = len(report.conflicts) - 1 if report.outcome is Outcome.REFUSED else 0
    others = f" (and {more} more that a person must decide: see above)" if more > 0 else ""
    aside(f"s3private: {plain(report.message)}{others}")
    return {Outcome.REFUSED: 2, Outcome.RUN_AGAIN: 3}.get(report.outcome, 1)
