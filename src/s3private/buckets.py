"""Which buckets a path serves: general purpose ones, by their names. What is served by other hosts is refused at once.

boto3 would go there, and a request of our own would go to the Route's host in vain.
"""

from __future__ import annotations

from s3private.errors import OutsideRoute

DIRECTORY_BUCKET = ("--x-s3", "--xa-s3")
"""How the name of a directory bucket ends, and that of an access point of one.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html"""


def refuse_elsewhere(bucket: str, path: str = "the path") -> None:
    """Raises OutsideRoute when `bucket` is an ARN or a directory bucket; any other name may be one of the path's.

    path: what to call the path in the message.
    Directory buckets have endpoints of their own, in virtual-hosted style alone, and sessions instead of signatures:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-networking.html
    Access points: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html
    """
    if bucket.startswith("arn:"):
        raise OutsideRoute(
            f"refused, not sent: {bucket} is reached at {_host_of(bucket)}, which is not the host of {path}. "
            "Read the bucket behind it by its name"
        )
    if bucket.endswith(DIRECTORY_BUCKET):
        raise OutsideRoute(
            f"refused, not sent: {bucket} is a directory bucket, which no S3 interface endpoint serves: not {path} "
            "either. S3 Express One Zone has endpoints of its own (com.amazonaws.<region>.s3express, in a VPC): "
            "read it from there, or a copy in a general purpose bucket from here"
        )


def _host_of(arn: str) -> str:
    """Where boto3 would go with it."""
    _, _, service, region, account, resource, *_ = [*arn.split(":", 5), "", "", "", "", ""]
    name = resource.replace(":", "/").partition("/")[2]
    if not name:
        # In a URI the slash before its name ends the bucket's.
        return "a host of its own"
    if not region:
        return f"{name}.accesspoint.s3-global.amazonaws.com"
    kind = "s3-accesspoint" if service == "s3" else service
    return f"{name}-{account}.{kind}.{region}.amazonaws.com"
