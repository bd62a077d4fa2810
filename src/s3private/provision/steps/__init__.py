"""The whole path, in order: read this list to know what is built."""

from __future__ import annotations

from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import AnyStep
from s3private.provision.steps.attachment import WorkspaceAttachment
from s3private.provision.steps.connection import OwnConnection
from s3private.provision.steps.endpoint import GivenSubnets, OpenSecurityGroup, S3InterfaceEndpoint
from s3private.provision.steps.endpoint_service import AcceptingService, DatabricksPrincipal
from s3private.provision.steps.load_balancer import (
    EndpointTargetGroup,
    EndpointTargets,
    InternalLoadBalancer,
    TcpListener,
)
from s3private.provision.steps.network_connectivity import GivenWorkspaces, OneNcc, RuleToService
from s3private.provision.steps.route_file import WrittenRoute

__all__ = ["path_steps"]


def path_steps(config: PathConfig, clients: Clients) -> list[AnyStep]:
    """Every step of the path that `config` asks for, first to last."""
    return [
        GivenSubnets(config, clients),
        OpenSecurityGroup(config, clients),
        S3InterfaceEndpoint(config, clients),
        EndpointTargetGroup(config, clients),
        InternalLoadBalancer(config, clients),
        TcpListener(config, clients),
        EndpointTargets(config, clients),
        AcceptingService(config, clients),
        DatabricksPrincipal(config, clients),
        GivenWorkspaces(config, clients),
        OneNcc(config, clients),
        RuleToService(config, clients),
        OwnConnection(config, clients),
        *(WorkspaceAttachment(config, clients, number) for number in config.workspace_ids),
        WrittenRoute(config, clients),
    ]
