"""Who takes part: the module, the environment it runs in, and what the table says above its column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    title: str
    module: str
    environment: str = "peers"
    package: str = "boto3"  # whose version the report names
    quick: bool = True
    work: str = "abcdef"  # the workloads it has calls for


CONTENDERS = {
    "s3private": Contender("s3private", "bench.peers.private", package="s3private"),
    "s3private-arrow": Contender("s3private, Arrow", "bench.peers.private_arrow", package="s3private", work="de"),
    "boto3-loop": Contender("boto3 in a loop", "bench.peers.boto3_loop", quick=False),
    "boto3-threads": Contender("boto3, threads", "bench.peers.boto3_threads", work="abcef"),
    "s3fs": Contender("s3fs", "bench.peers.s3fs_files", environment="s3fs", package="s3fs", quick=False),
    "s3transfer": Contender("s3transfer", "bench.peers.s3transfer", package="s3transfer", quick=False, work="abc"),
    "pyarrow": Contender("pyarrow", "bench.peers.arrow_files", package="pyarrow"),
    "awscrt": Contender("awscrt", "bench.peers.crt", package="awscrt", work="abcf"),
    "obstore": Contender("obstore", "bench.peers.obstore_rows", package="obstore"),
    "obstore-arrow": Contender("obstore, Arrow", "bench.peers.obstore_arrow", package="obstore", work="de"),
    "raw": Contender("raw sockets (ceiling)", "bench.peers.raw", work="abcf"),
}

BEFORE = "before"
"""The s3private of another checkout, in the same run: what a change costs or gains."""


def before(environment: str) -> Contender:
    """environment: of that checkout, in which its s3private is installed."""
    return Contender("s3private before", "bench.peers.private", environment=environment, package="s3private")
