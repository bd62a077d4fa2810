"""JSON policies as far as the path needs them: role trust, bucket and endpoint policies.

An operator or key that is not known here is not passed over: it raises NotEmulated, and the request answers 501.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.refusals import NotEmulated


class Verdict(Enum):
    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as a policy sees it. `context` holds the condition keys that are present, in lower case."""

    caller: Credential | None
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def judge(policy: Mapping[str, Any], asked: Asked, *, principals: bool = True) -> Verdict:
    """An explicit Deny wins over any Allow; neither is SILENT. `principals=False`: the policy has no principals."""
    verdict = Verdict.SILENT
    for statement in _list(policy.get("Statement", [])):
        if not _applies(statement, asked, principals):
            continue
        if statement.get("Effect") == "Deny":
            return Verdict.DENY
        if statement.get("Effect") == "Allow":
            verdict = Verdict.ALLOW
    return verdict


def _applies(statement: Mapping[str, Any], asked: Asked, principals: bool) -> bool:
    if principals and not _principal(statement, asked.caller):
        return False
    actions = {k: _list(statement[k]) for k in ("Action", "NotAction") if k in statement}
    hit = any(_like(p, asked.action, fold=True) for p in next(iter(actions.values()), []))
    if hit is ("NotAction" in actions):
        return False
    resources = {k: _list(statement[k]) for k in ("Resource", "NotResource") if k in statement}
    if resources:
        hit = any(_like(p, asked.resource) for p in next(iter(resources.values())))
        if hit is ("NotResource" in resources):
            return False
    return all(
        _condition(operator, key, _list(values), asked.context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _principal(statement: Mapping[str, Any], caller: Credential | None) -> bool:
    if "NotPrincipal" in statement:
        return not _named(statement["NotPrincipal"], caller)
    return _named(statement.get("Principal"), caller)


def _named(principal: Any, caller: Credential | None) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    for name in _list(principal.get("AWS", [])):
        if name == "*":
            return True
        if caller is not None and name in {
            caller.account,
            f"arn:aws:iam::{caller.account}:root",
            caller.arn,
            caller.role_arn,
        }:
            return True
    return False


def _condition(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool:
    """A negated operator holds when the key is missing, any other does not; `IfExists` holds then for both."""
    present = context.get(key.lower())
    base = operator.removesuffix("IfExists")
    if base == "Null":
        return (present is None) is (str(wanted[0]).lower() == "true")
    tests: dict[str, Callable[[str, str], bool]] = {
        "StringEquals": lambda w, v: w == v,
        "StringEqualsIgnoreCase": lambda w, v: w.lower() == v.lower(),
        "StringLike": _like,
        "ArnEquals": _like,
        "ArnLike": _like,
        "Bool": lambda w, v: w.lower() == v.lower(),
    }
    plain = base.replace("Not", "", 1)
    if plain not in tests:
        raise NotEmulated(f"policy condition operator {operator}")
    negated = plain != base
    if present is None:
        return negated or base != operator
    hit = any(tests[plain](str(w), present) for w in wanted)
    return hit is not negated


def _like(pattern: str, value: str, *, fold: bool = False) -> bool:
    parts = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(parts, value, re.DOTALL | (re.IGNORECASE if fold else 0)) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
