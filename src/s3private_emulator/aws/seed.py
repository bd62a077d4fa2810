"""The world before anybody provisions, put into moto under the ids that `World` names."""

from __future__ import annotations

import json
import os
from typing import Any
from unittest.mock import patch

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from s3private_emulator.aws import rights
from s3private_emulator.aws.credentials import Credential, CredentialStore
from s3private_emulator.world import World

STORES: dict[str, dict[str, Any]] = {"ec2": ec2_backends, "iam": iam_backends, "s3": s3_backends}


def reset() -> None:
    """moto keeps its state in module globals: nothing of an earlier Aws may be seen in the next."""
    # Machine images are no part of the path, and moto takes a fifth of a second to make them up for every region.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    BackendDict.reset()
    reset_model_data()


def moto_contents() -> dict[str, Any]:
    """Networks, roles and buckets as moto holds them, to be kept and given to `recall_moto`."""
    return {name: {key: dict(regions) for key, regions in store.items()} for name, store in STORES.items()}


def recall_moto(contents: dict[str, Any]) -> None:
    for name, accounts in contents.items():
        for account, regions in accounts.items():
            STORES[name][account].update(regions)


def seed(world: World, credentials: CredentialStore) -> None:
    credentials.add(
        Credential(
            access_key_id=world.access_key_id,
            secret_access_key=world.secret_access_key,
            session_token=None,
            account=world.base_account,
            arn=f"arn:aws:iam::{world.base_account}:user/operator",
            user_id="AIDAEMULATEDOPERATOR0",
        )
    )
    _network(world)
    _identities(world)
    _buckets(world)


def _network(world: World) -> None:
    """moto makes up its own ids and has no other way to be told one."""
    network = ec2_backends[world.data_account][world.region]
    with patch("moto.ec2.models.vpcs.random_vpc_id", return_value=world.vpc.id):
        network.create_vpc(world.vpc.cidr)
    for subnet in world.vpc.subnets:
        with patch("moto.ec2.models.subnets.random_subnet_id", return_value=subnet.id):
            network.create_subnet(world.vpc.id, subnet.cidr, availability_zone=subnet.zone)


def _identities(world: World) -> None:
    """An operator who administers the base account, the roles of docs/production.md with its policies, and an
    administrator of the data account for what is changed by hand."""
    base = iam_backends[world.base_account]["aws"]
    base.create_user(world.region, "operator")
    base.put_user_policy("operator", "administrator", json.dumps(rights.ADMINISTRATOR))
    operators = f"arn:aws:iam::{world.base_account}:root"
    vended = f"vended-by-{world.databricks_account}"
    buckets = [rights.reader(bucket) for bucket in list(world.buckets)[:1]]
    for arn, policies, trust in (
        (world.role_arn, [rights.provisioner(world.region)], rights.trust(operators, world.external_id)),
        (world.administrator_role_arn, [rights.ADMINISTRATOR], rights.trust(operators, world.external_id)),
        (world.base_role_arn, [rights.base(world.role_arn)], rights.trust(rights.UNITY_CATALOG, vended)),
        (world.reader_role_arn, buckets, rights.trust(rights.UNITY_CATALOG, vended)),
    ):
        role_name = arn.rpartition("/")[2]
        store = iam_backends[arn.split(":")[4]]["aws"]
        store.create_role(
            role_name=role_name,
            assume_role_policy_document=json.dumps(trust),
            path="/",
            permissions_boundary=None,
            description="",
            tags=[],
            max_session_duration="3600",
        )
        for number, policy in enumerate(policies):
            store.put_role_policy(role_name, f"{role_name}-{number}", json.dumps(policy))


def _buckets(world: World) -> None:
    store = s3_backends[world.data_account]["aws"]
    for bucket, objects in world.buckets.items():
        store.create_bucket(bucket, world.region)
        for key, value in objects.items():
            store.put_object(bucket, key, value)
