"""STS: a role is assumed only as its trust policy says, external id and all, and for as long as it allows.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult
from moto.iam.models import Role, iam_backends

from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.authorizing import common_context, decoded
from s3private_emulator.aws.cloud import Cloud
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.identities import identity_verdict, why
from s3private_emulator.aws.policies import Asked, Named, Verdict, judge
from s3private_emulator.aws.refusals import Refusal

CHAINED_SECONDS = 3600
"""The longest session that a role session can get of another role (role chaining)."""


class Sts(Answering):
    def __init__(self, cloud: Cloud, caller: Credential | None, region: str) -> None:
        super().__init__(service_name="sts")
        self.automated_parameter_parsing = True
        self.cloud, self.caller, self.signed_region = cloud, caller, region

    def assume_role(self) -> ActionResult:
        caller = self._known()
        arn = str(self._get_param("RoleArn"))
        session = str(self._get_param("RoleSessionName"))
        external_id = self._get_param("ExternalId")
        duration = self._get_int_param("DurationSeconds", 3600)
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", session):
            raise _invalid("roleSessionName", session, "satisfy regular expression pattern: [\\w+=,.@-]*")
        if external_id is not None and not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", external_id):
            raise _invalid("externalId", external_id, "satisfy regular expression pattern: [\\w+=,.@:\\/-]*")
        if duration < 900:
            raise _invalid("durationSeconds", duration, "have value greater than or equal to 900")
        if duration > 43200:
            raise _invalid("durationSeconds", duration, "have value less than or equal to 43200")
        role = self._role(arn)
        asked = Asked(
            caller=caller,
            action="sts:AssumeRole",
            resource=arn,
            context={
                **common_context(caller, self.signed_region),
                "sts:rolesessionname": session,
                **({"sts:externalid": external_id} if external_id is not None else {}),
            },
        )
        role = self._assumable(role, asked)
        if duration > int(role.max_session_duration or 3600):
            raise Refusal(
                "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )
        if caller.role_arn is not None and duration > CHAINED_SECONDS:
            raise Refusal(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            )
        made = self.cloud.credentials.issue(
            role_arn=role.arn, role_id=role.id, session_name=session, duration_seconds=duration
        )
        return ActionResult(
            {
                "Credentials": {
                    "AccessKeyId": made.access_key_id,
                    "SecretAccessKey": made.secret_access_key,
                    "SessionToken": made.session_token,
                    "Expiration": made.expires,
                },
                "AssumedRoleUser": {"AssumedRoleId": made.user_id, "Arn": made.arn},
                "PackedPolicySize": 0,
            }
        )

    def decode_authorization_message(self) -> ActionResult:
        try:
            return ActionResult({"DecodedMessage": decoded(str(self._get_param("EncodedMessage")))})
        except ValueError:
            raise Refusal("InvalidAuthorizationMessageException", "Message is not valid") from None

    def get_caller_identity(self) -> ActionResult:
        caller = self._known()
        return ActionResult({"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn})

    def _assumable(self, role: Role | None, asked: Asked) -> Role:
        """The role must trust the caller, and the caller's own policies must allow it, unless a role of the same
        account names the caller itself.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html"""
        own = identity_verdict(asked)
        trust = judge(_document(role), asked) if role is not None else Verdict.SILENT
        here = role is not None and asked.caller is not None and role.account_id == asked.caller.account
        itself = here and role is not None and judge(_document(role), asked, named=Named.ITSELF) is Verdict.ALLOW
        allowed = trust is Verdict.ALLOW and own is not Verdict.DENY and (own is Verdict.ALLOW or itself)
        if role is not None and allowed:
            return role
        reason = f" {why(own, asked.action)}" if here and own is not Verdict.ALLOW else ""
        arn = asked.caller.arn if asked.caller else ""
        raise Refusal(
            "AccessDenied",
            f"User: {arn} is not authorized to perform: {asked.action} on resource: {asked.resource}{reason}",
            403,
        )

    def _known(self) -> Credential:
        if self.caller is None:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        return self.caller

    def _role(self, arn: str) -> Role | None:
        found = re.fullmatch(r"arn:aws:iam::(\d{12}):role/.+", arn)
        if found is None:
            raise Refusal("ValidationError", f"{arn} is invalid")
        roles = iam_backends[found.group(1)]["aws"].roles.values()
        return next((r for r in roles if r.arn == arn), None)


def _document(role: Role) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(unquote(role.assume_role_policy_document))
    return document


def _invalid(name: str, value: object, rule: str) -> Refusal:
    return Refusal(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must {rule}",
    )
