"""The whole path, in order: read this list to know what is built. Two owners each walk their own part of it."""

from __future__ import annotations

from pathlib import Path

from s3private.errors import ConfigError
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import AnyStep
from s3private.provision.handover import Handover
from s3private.provision.steps.account import GivenAccount
from s3private.provision.steps.attachment import WorkspaceAttachment
from s3private.provision.steps.connection import OwnConnection
from s3private.provision.steps.endpoint import GivenSubnets, OpenSecurityGroup, S3InterfaceEndpoint
from s3private.provision.steps.endpoint_service import AcceptingService, DatabricksPrincipal
from s3private.provision.steps.handed import (
    EstablishedRule,
    HandedConnection,
    HandedEndpoint,
    HandedRule,
    HandedService,
    MarkedConnection,
    WrittenHandover,
)
from s3private.provision.steps.left_subnets import LeftSubnets
from s3private.provision.steps.load_balancer import (
    EndpointTargetGroup,
    EndpointTargets,
    InternalLoadBalancer,
    TcpListener,
)
from s3private.provision.steps.network_connectivity import GivenWorkspaces, OneNcc, RuleToService
from s3private.provision.steps.route_file import WrittenRoute

__all__ = ["aws_side_steps", "databricks_side_steps", "path_steps", "target_steps"]


def path_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    """Every step of the path that `config` asks for, first to last."""
    return [
        *target_steps(config, clients),
        *_service_steps(config, clients),
        *_rule_steps(config, clients),
        OwnConnection(config, clients),
        *_workspace_steps(config, clients),
    ]


def target_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    """What keeping the targets in step needs to read; its last step is the targets."""
    return [
        GivenAccount(config, clients),
        GivenSubnets(config, clients),
        OpenSecurityGroup(config, clients),
        S3InterfaceEndpoint(config, clients),
        EndpointTargetGroup(config, clients),
        InternalLoadBalancer(config, clients),
        TcpListener(config, clients),
        EndpointTargets(config, clients),
    ]


def aws_side_steps(config: PathConfig, clients: Clients, handover: Path) -> list[AnyStep]:
    """The AWS owner's part. Raises ConfigError: the handover cannot be read."""
    given = Handover.load(handover, config)
    missing = (
        f"the Databricks side has not told its VPC endpoint id yet: give it {handover}, let it run --side databricks "
        "with it, and run this again with the file that comes back"
    )
    return [
        *target_steps(config, clients),
        *_service_steps(config, clients),
        WrittenHandover(config, handover, "aws"),
        HandedRule(given.databricks, missing),
        MarkedConnection(config, clients),
        HandedConnection(config, clients, handover),
    ]


def databricks_side_steps(config: PathConfig, clients: Clients, handover: Path) -> list[AnyStep]:
    """The Databricks owner's part. Raises ConfigError: the handover cannot be read, or lacks the AWS side's part."""
    whole = Handover.load(handover, config)
    given = whole.aws
    if given is None:
        raise ConfigError(
            f"--handover {handover}: the AWS side has not told its endpoint service yet: let it run --side aws with "
            "this file first"
        )
    return [
        HandedEndpoint(given),
        HandedService(given),
        *_rule_steps(config, clients),
        WrittenHandover(config, handover, "databricks"),
        EstablishedRule(config, clients, handover, whole.databricks),
        *_workspace_steps(config, clients),
    ]


def _service_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    return [LeftSubnets(config, clients), AcceptingService(config, clients), DatabricksPrincipal(config, clients)]


def _rule_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    return [GivenWorkspaces(config, clients), OneNcc(config, clients), RuleToService(config, clients)]


def _workspace_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    return [
        *(WorkspaceAttachment(config, clients, number) for number in config.workspace_ids),
        WrittenRoute(config, clients),
    ]
