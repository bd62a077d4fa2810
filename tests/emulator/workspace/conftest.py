from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from emulator.workspace.site import WHEEL, Site, site, wheel

TINY = """
import json, os, sys, time

def main():
    print("argv", json.dumps(sys.argv))

def fails():
    print("before it fails")
    raise ValueError("no such luck")

def exits():
    sys.exit(3)

def says_one():
    return 1

def exits_well():
    sys.exit(0)

def sleeps():
    time.sleep(60)

def sets():
    from pyspark.dbutils import DBUtils
    dbutils = DBUtils()
    dbutils.jobs.taskValues.set("greeting", "hello")
    dbutils.jobs.taskValues.set("items", ["a", "b", "c"])

def in_volume():
    path = sys.argv[1]
    with open(path, "w") as file:
        file.write("from a task")
    print(sorted(os.listdir(os.path.dirname(path))), os.path.exists("/Workspace/Users"))

def once():
    path = sys.argv[1]
    if not os.path.exists(path):
        open(path, "w").close()
        raise RuntimeError("the first time")
    print("the second time")

def waits_for():
    print(os.getpid(), flush=True)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.02)

def whoami():
    from databricks.sdk import WorkspaceClient
    client = WorkspaceClient()
    print(client.current_user.me().user_name, client.config.host)

def token():
    from databricks.sdk import WorkspaceClient
    print(WorkspaceClient().config.authenticate()["Authorization"].split()[1])

def account():
    from databricks.sdk import WorkspaceClient
    client = WorkspaceClient()
    account = sys.argv[1]
    try:
        client.api_client.do("GET", f"/api/2.0/accounts/{account}/network-connectivity-configs")
    except Exception as error:
        print(type(error).__name__)

def secret():
    from pyspark.dbutils import DBUtils
    from pyspark.sql import SparkSession
    print(DBUtils(SparkSession.builder.getOrCreate()).secrets.get(*sys.argv[1:]))

def vended():
    import boto3
    from databricks.sdk.runtime import dbutils
    provider = dbutils.credentials.getServiceCredentialsProvider(sys.argv[1])
    session = boto3.Session(botocore_session=provider, region_name="ap-northeast-1")
    print(session.client("sts").get_caller_identity()["Arn"])
"""
FUNCTIONS = re.findall(r"^def (\w+)\(", TINY, re.MULTILINE)
POINTS = {name.replace("_", "-"): f"tiny:{name}" for name in FUNCTIONS}


@pytest.fixture(scope="session")
def tiny_wheel() -> bytes:
    return wheel(TINY, **POINTS)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, tiny_wheel: bytes) -> Iterator[Site]:
    """One workspace for a whole file of tests, with the wheel `tiny` and the volume main.default.files in it."""
    with site(tmp_path_factory.mktemp("site")) as made:
        made.put(WHEEL, tiny_wheel)
        volume = {"catalog_name": "main", "schema_name": "default", "name": "files", "volume_type": "MANAGED"}
        made.call("POST", "/api/2.1/unity-catalog/volumes", volume)
        yield made
