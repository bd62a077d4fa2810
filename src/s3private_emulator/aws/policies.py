"""JSON policies as far as the path needs them: of identities, role trust, buckets and endpoints.

An operator or key that is not known here is not passed over: it raises NotEmulated, and the request answers 501.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.refusals import NotEmulated


class Verdict(Enum):
    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as a policy sees it. `context` holds the condition keys that are present, in lower case; a list of
    values for a key that has several."""

    caller: Credential | None
    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


class Named(Enum):
    """How a statement reaches the caller: an identity's own policy names nobody; a principal may be whoever acts, or
    the account, which then decides by its identities' policies."""

    OWN = "own"
    ANY = "any"
    ITSELF = "itself"


def judge(policy: Mapping[str, Any], asked: Asked, *, named: Named = Named.ANY) -> Verdict:
    """An explicit Deny wins over any Allow; neither is SILENT."""
    verdict = Verdict.SILENT
    for statement in _list(policy.get("Statement", [])):
        if not _applies(statement, asked, named):
            continue
        if statement.get("Effect") == "Deny":
            return Verdict.DENY
        if statement.get("Effect") == "Allow":
            verdict = Verdict.ALLOW
    return verdict


def _applies(statement: Mapping[str, Any], asked: Asked, named: Named) -> bool:
    if named is not Named.OWN and not _principal(statement, asked.caller, itself=named is Named.ITSELF):
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


def _principal(statement: Mapping[str, Any], caller: Credential | None, *, itself: bool) -> bool:
    if "NotPrincipal" in statement:
        return not _named(statement["NotPrincipal"], caller, itself=itself)
    return _named(statement.get("Principal"), caller, itself=itself)


def _named(principal: Any, caller: Credential | None, *, itself: bool) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    names = _list(principal.get("AWS", []))
    if "*" in names:
        return True
    if caller is None:
        return False
    account = set() if itself else {caller.account, f"arn:aws:iam::{caller.account}:root"}
    return not {caller.arn, caller.role_arn, *account}.isdisjoint(names)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda w, v: w == v,
    "StringEqualsIgnoreCase": lambda w, v: w.lower() == v.lower(),
    "StringLike": lambda w, v: _like(w, v),
    "ArnEquals": lambda w, v: _like_arn(w, v),
    "ArnLike": lambda w, v: _like_arn(w, v),
    "Bool": lambda w, v: w.lower() == v.lower(),
}


def _condition(operator: str, key: str, wanted: list[Any], context: Mapping[str, str | list[str]]) -> bool:
    """A negated operator holds when the key is missing, any other does not; `IfExists` holds then for both, and
    `ForAllValues` too.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"""
    present = context.get(key.lower())
    quantifier, _, rest = operator.rpartition(":")
    base = rest.removesuffix("IfExists")
    if base == "Null":
        return (present is None) is (str(wanted[0]).lower() == "true")
    plain = base.replace("Not", "", 1)
    test = _TESTS.get(plain)
    if test is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise NotEmulated(f"policy condition operator {operator}")
    if any("${" in str(w) for w in wanted):
        raise NotEmulated(f"policy variables, in {operator} of {key}")
    negated = plain != base
    if present is None:
        return base != rest or quantifier == "ForAllValues" or (negated and not quantifier)
    values = _list(present)
    hits = [any(test(str(w), value) for w in wanted) for value in values]
    if quantifier:
        held = [hit is not negated for hit in hits]
        return all(held) if quantifier == "ForAllValues" else any(held)
    return any(hits) is not negated


def _like(pattern: str, value: str, *, fold: bool = False) -> bool:
    return _compiled(pattern, fold).fullmatch(value) is not None


def _like_arn(pattern: str, value: str) -> bool:
    """Each of an ARN's six parts by itself."""
    wanted, had = pattern.split(":", 5), value.split(":", 5)
    return len(wanted) == len(had) and all(map(_like, wanted, had))


@lru_cache(maxsize=4096)
def _compiled(pattern: str, fold: bool) -> re.Pattern[str]:
    if "${" in pattern:
        raise NotEmulated(f"policy variables, in {pattern}")
    parts = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.compile(parts, re.DOTALL | (re.IGNORECASE if fold else 0))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
