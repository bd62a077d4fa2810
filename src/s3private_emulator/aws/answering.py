"""A request to a query API (EC2, Elastic Load Balancing, STS) answered by moto's parser, our method, moto's serialiser.

A method named as the action in snake case returns an `ActionResult` of a dict in botocore's own member names.
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse

from s3private_emulator.aws.authorizing import authorize
from s3private_emulator.aws.cloud import Cloud, Region
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.refusals import Refusal, dry_run, error_xml


class Answering(BaseResponse):
    cloud: Cloud
    caller: Credential | None
    """None while refusing a request nobody is known to have signed."""
    signed_region: str

    def answer(self, request: Any, service: str, action: str) -> TYPE_RESPONSE:
        """`service`: by its signing name. What the caller may not do is refused before anything else is looked at."""
        self.setup_class(request)
        if self.caller is not None:
            try:
                authorize(self.cloud, self.caller, self.signed_region, service, action, self._get_params())
            except Refusal as refusal:
                return self.serialized(ActionResult(refusal))
        return self.call_action()

    def refuse(self, request: Any, refusal: Refusal) -> TYPE_RESPONSE:
        """The refusal in the API's own form."""
        self.setup_class(request)
        return self.serialized(ActionResult(refusal))

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """moto's serialiser knows only the errors in botocore's models; those common to all actions are in none."""
        refusal = action_result.result
        if not isinstance(refusal, Refusal):
            return super().serialized(action_result)
        body = error_xml(str(self.service_name), refusal.code, refusal.message)
        return refusal.status, {"Content-Type": "text/xml"}, body

    def get_region_from_url(self, request: Any, full_url: str) -> str:
        return self.signed_region

    def get_current_account(self) -> str:
        return self.caller.account if self.caller else self.cloud.world.base_account

    @property
    def here(self) -> Region:
        """The caller's account, in the region the request is signed for."""
        return self.cloud.region(self.current_account, self.region)

    def stop_if_dry(self) -> None:
        """After everything was checked and before anything is written."""
        if self.dry:
            raise dry_run()

    @property
    def dry(self) -> bool:
        return bool(self._get_bool_param("DryRun", False))

    def made_before(self, operation: str) -> str | None:
        """What this client token made, if it was used already. The same token with other parameters is refused.
        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html"""
        token = self._get_param("ClientToken")
        if not token or (operation, token) not in self.here.tokens:
            return None
        asked, made = self.here.tokens[operation, token]
        if asked != self._asked():
            raise Refusal(
                "IdempotentParameterMismatch",
                "The client token you have provided is associated with a resource you are attempting to create with "
                "different parameters.",
            )
        return made

    def remember(self, operation: str, made: str) -> None:
        token = self._get_param("ClientToken")
        if token:
            self.here.tokens[operation, token] = (self._asked(), made)

    def _asked(self) -> str:
        return json.dumps({k: v for k, v in self._get_params().items() if k != "DryRun"}, sort_keys=True, default=str)
