"""AWS as a client meets it: moto's EC2 network, IAM and S3, with PrivateLink and network load balancers of our own.

moto is kept for what it does as AWS does. Endpoints, endpoint services, connections, load balancers, target groups and
STS are written here, where moto is kinder than AWS; moto still parses and serialises them by botocore's own model.
"""

from __future__ import annotations

from s3private_emulator.aws.app import Aws
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.hop import Hop, Passage

__all__ = ["Aws", "Credential", "Hop", "Passage"]
