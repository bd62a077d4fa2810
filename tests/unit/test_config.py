"""A wrong path file is one clear line that names file, key and rule; no call is made."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from s3private.errors import ConfigError
from s3private.provision.config import PathConfig

GOOD = tomllib.loads((Path(__file__).parents[2] / "paths" / "demo.toml").read_text(encoding="utf-8"))


def changed(key: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    section, name = key.split(".")
    document.setdefault(section, {})[name] = value
    return document


def test_the_committed_path_file_is_accepted() -> None:
    config = PathConfig.parse(GOOD, "demo.toml")
    assert config.name == "demo"
    assert config.allowed_principal == "arn:aws:iam::565502421330:role/private-connectivity-role-ap-northeast-1"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("path.name", "Demo_1", "3 to 20"),
        ("path.name", "a" * 21, "3 to 20"),
        ("path.region", "ap-northeast-9", "AWS region"),
        ("path.region", "cn-north-1", "AWS region"),
        ("path.colour", "red", "unknown key"),
        ("aws.account_id", 222222222222, "12 digits in quotes"),
        ("aws.subnet_ids", ["subnet-0a1b2c3d4e5f6000a"], "at least two subnets"),
        ("aws.subnet_ids", ["subnet-0a1b2c3d4e5f6000a"] * 2, "same value twice"),
        ("aws.allowed_principal", "*", "every AWS customer"),
        ("aws.allowed_principal", "arn:aws:iam::565502421330:root", "one role"),
        ("aws.role_arn", "arn:aws:iam::333333333333:role/other", "aws.account_id"),
        ("aws.idle_timeout_seconds", 30, "60 to 6000"),
        ("aws.idle_timeout_seconds", True, "60 to 6000"),
        ("s3.buckets", [], "1 to 100 buckets"),
        ("s3.buckets", ["Bad_Bucket"], "bucket names"),
        ("s3.buckets", ["fast--euw1-az1--x-s3"], "directory bucket"),
        ("s3.domain_names", ["s3.ap-northeast-1.amazonaws.com"], "a name of amazonaws.com"),
        ("s3.domain_names", [f"b{i}.example.com" for i in range(11)], "1 to 10"),
        ("databricks.workspace_ids", ["1001"], "whole numbers"),
        ("databricks.account_id", "abc", "UUID"),
        ("route.file", "routes/demo", "ends in .json"),
        ("extra.key", 1, "unknown section"),
    ],
)
def test_a_wrong_value_is_refused_by_file_key_and_rule(key: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        PathConfig.parse(changed(key, value), "some.toml")
    line = str(refused.value)
    assert line.startswith("some.toml: ")
    assert key.split(".")[0] in line
    assert says in line
    assert "\n" not in line


def test_an_external_id_without_a_role_is_refused() -> None:
    document = copy.deepcopy(GOOD)
    del document["aws"]["role_arn"]
    with pytest.raises(ConfigError, match=r"external_id: needs aws\.role_arn"):
        PathConfig.parse(document, "some.toml")


def test_a_missing_key_is_named() -> None:
    document = copy.deepcopy(GOOD)
    del document["aws"]["vpc_id"]
    with pytest.raises(ConfigError, match=r"some.toml: aws.vpc_id: is required"):
        PathConfig.parse(document, "some.toml")


def test_the_policy_names_the_buckets_and_nothing_else() -> None:
    statement = PathConfig.parse(GOOD, "demo.toml").endpoint_policy["Statement"][0]
    assert statement["Resource"] == ["arn:aws:s3:::sales-records", "arn:aws:s3:::sales-records/*"]
    assert not any(action.startswith("s3:Put") or action == "s3:*" for action in statement["Action"])


def test_govcloud_has_its_own_principal() -> None:
    document = changed("path.region", "us-gov-west-1")
    with pytest.raises(ConfigError, match=r"aws\.role_arn: must be of the partition aws-us-gov"):
        PathConfig.parse(document, "gov.toml")
    document["aws"]["role_arn"] = document["aws"]["role_arn"].replace("arn:aws:", "arn:aws-us-gov:")
    config = PathConfig.parse(document, "gov.toml")
    assert config.allowed_principal.startswith("arn:aws-us-gov:iam::347038500609:role/")
    assert config.endpoint_policy["Statement"][0]["Resource"][0].startswith("arn:aws-us-gov:s3:::")


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ("cost-center=1", "a table of 1 to 46 tags"),
        ({}, "a table of 1 to 46 tags"),
        ({f"k{number}": "v" for number in range(47)}, "a table of 1 to 46 tags"),
        ({"cost": 1234}, "cost: must be a text in quotes"),
        ({"team": {"name": "x"}}, "team: must be a text in quotes"),
        ({"": "x"}, "1 to 128 characters"),
        ({"k" * 129: "x"}, "1 to 128 characters"),
        ({"k": "v" * 257}, "the value of k must have 0 to 256 characters"),
        ({"k": "v\n"}, "the value of k may hold"),
        ({"k": "a\u2028b"}, "the value of k may hold"),
        ({"k": " v"}, "the value of k may hold"),
        ({"k#": "v"}, "the key 'k#' may hold"),
        ({"k": "v;w"}, "the value of k may hold"),
        ({"aws:x": "v"}, "aws:x is not yours to give"),
        ({"AWS:x": "v"}, "AWS:x is not yours to give"),
        ({"s3private:owner": "v"}, "s3private:owner is not yours to give"),
        ({"S3Private:x": "v"}, "S3Private:x is not yours to give"),
        ({"Name": "v"}, "Name is not yours to give"),
    ],
)
def test_tags_that_aws_or_this_path_does_not_take_are_refused_by_key(tags: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        PathConfig.parse(changed("aws.tags", tags), "some.toml")
    assert str(refused.value).startswith("some.toml: aws.tags: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_tags_within_awss_limits_are_taken() -> None:
    tags = {f"k{number}": "" for number in range(45)} | {"Größe 1_.:/=+-@" + "k" * 113: "v" * 256}
    assert PathConfig.parse(changed("aws.tags", tags), "some.toml").tags == tuple(tags.items())
