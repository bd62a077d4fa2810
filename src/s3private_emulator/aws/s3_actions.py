"""Which permission an S3 request needs.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""

from __future__ import annotations

from collections.abc import Mapping

from s3private_emulator.aws.refusals import NotEmulated

_BUCKET = {
    "location": "BucketLocation",
    "policy": "BucketPolicy",
    "versioning": "BucketVersioning",
    "tagging": "BucketTagging",
    "acl": "BucketAcl",
    "encryption": "EncryptionConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "policyStatus": "BucketPolicyStatus",
    "lifecycle": "LifecycleConfiguration",
    "cors": "BucketCORS",
    "ownershipControls": "BucketOwnershipControls",
}
_OBJECT = {
    "tagging": "ObjectTagging",
    "acl": "ObjectAcl",
    "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold",
}


def action_of(method: str, bucket: str, key: str, query: Mapping[str, str]) -> list[str]:
    """The actions, such as `s3:GetObject`. Raises NotEmulated for a request that is not known."""
    if not bucket:
        return ["s3:ListAllMyBuckets"]
    if key:
        return _on_object(method, query)
    for name, what in _BUCKET.items():
        if name in query:
            if method == "DELETE" and name == "policy":
                return ["s3:DeleteBucketPolicy"]
            return [f"s3:{'Get' if method == 'GET' else 'Put'}{what}"]
    if method in ("GET", "HEAD"):
        if "versions" in query:
            return ["s3:ListBucketVersions"]
        return ["s3:ListBucketMultipartUploads" if "uploads" in query else "s3:ListBucket"]
    if method == "POST" and "delete" in query:
        return ["s3:DeleteObject"]
    if method == "PUT":
        return ["s3:CreateBucket"]
    if method == "DELETE":
        return ["s3:DeleteBucket"]
    raise NotEmulated(f"s3:{method} of a bucket")


def _on_object(method: str, query: Mapping[str, str]) -> list[str]:
    for name, what in _OBJECT.items():
        if name in query:
            return [f"s3:{'Get' if method == 'GET' else 'Put'}{what}"]
    if method in ("GET", "HEAD"):
        if "uploadId" in query:
            return ["s3:ListMultipartUploadParts"]
        return ["s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"]
    if method == "DELETE":
        return ["s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"]
    if method in ("PUT", "POST"):
        return ["s3:PutObject"]
    raise NotEmulated(f"s3:{method} of an object")
