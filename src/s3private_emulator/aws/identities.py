"""What an identity may: the policies of the user or role behind a credential, inline, attached and of its groups.

A policy is read once for each text it has. An explicit deny wins; where none allows, it is denied.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from moto.iam.models import Group, IAMBackend, Role, User, iam_backends

from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.policies import Asked, Named, Verdict, judge

MUST = "because no identity-based policy allows the {action} action"
MUST_NOT = "with an explicit deny in an identity-based policy"


def identity_verdict(asked: Asked) -> Verdict:
    """What the policies of `asked.caller`, taken together, say."""
    verdict = Verdict.SILENT
    for text in _texts(asked.caller) if asked.caller is not None else []:
        said = judge(_policy(text), asked, named=Named.OWN)
        if said is Verdict.DENY:
            return said
        verdict = said if said is Verdict.ALLOW else verdict
    return verdict


def tags_of(caller: Credential) -> dict[str, str]:
    """The tags of the role or user that acts."""
    backend = _backend(caller)
    found = _holder(caller, backend)
    if isinstance(found, Role):
        return {tag["Key"]: tag["Value"] for tag in found.tags}
    return dict(backend.tagger.get_tag_dict_for_resource(found.arn)) if found is not None else {}


def why(verdict: Verdict, action: str) -> str:
    """The end of AWS's sentence.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    return MUST_NOT if verdict is Verdict.DENY else MUST.format(action=action)


def _texts(caller: Credential) -> list[str]:
    backend = _backend(caller)
    found = _holder(caller, backend)
    holders: list[Role | User | Group] = [found] if found is not None else []
    if isinstance(found, User):
        holders += [group for group in backend.groups.values() if found in group.users]
    return [
        text
        for holder in holders
        for text in [*holder.policies.values(), *(_in_force(policy) for policy in holder.managed_policies.values())]
    ]


def _holder(caller: Credential, backend: IAMBackend) -> Role | User | None:
    if caller.role_arn is None:
        users = backend.users.values()
        return next((user for user in users if user.arn == caller.arn), None)
    return next((role for role in backend.roles.values() if role.arn == caller.role_arn), None)


def _backend(caller: Credential) -> IAMBackend:
    backend: IAMBackend = iam_backends[caller.account]["aws"]
    return backend


def _in_force(policy: Any) -> str:
    return next(str(v.document) for v in policy.versions if v.version_id == policy.default_version_id)


@lru_cache(maxsize=1024)
def _policy(text: str) -> dict[str, Any]:
    document = json.loads(text if text.lstrip().startswith("{") else unquote(text))
    return dict(document)
