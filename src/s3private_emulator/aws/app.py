"""The emulated AWS: one object that holds it, and the WSGI apps through which it is met."""

from __future__ import annotations

from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication

from s3private_emulator.aws.cloud import Cloud
from s3private_emulator.aws.credentials import Credential, CredentialStore
from s3private_emulator.aws.faulty import DIALECT
from s3private_emulator.aws.front import Front, LoggedApp
from s3private_emulator.aws.hop import Hop, examine
from s3private_emulator.aws.s3 import S3
from s3private_emulator.aws.seed import moto_contents, recall_moto, reset, seed
from s3private_emulator.aws.services import view_of
from s3private_emulator.delays import Delays
from s3private_emulator.fault_gate import FaultGate
from s3private_emulator.faults import Faults
from s3private_emulator.log import RequestLog
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.world import World


class Aws:
    """One lives at a time: making another forgets the one before, because moto's state is global.

    app: every AWS API on any host name, and the public S3. credentials: the access keys that are valid. `kept`: the
    `contents` of an earlier one, instead of the world before anybody provisions.
    """

    def __init__(
        self,
        world: World,
        delays: Delays,
        privatelink: PrivateLink,
        log: RequestLog,
        faults: Faults | None = None,
        kept: dict[str, Any] | None = None,
    ) -> None:
        reset()
        self.credentials: CredentialStore = kept["credentials"] if kept else CredentialStore()
        if kept:
            recall_moto(kept["moto"])
        else:
            seed(world, self.credentials)
        self.cloud = Cloud(world=world, delays=delays, privatelink=privatelink, log=log, credentials=self.credentials)
        if kept:
            self.cloud.recall(kept["cloud"])
        privatelink.serve(partial(view_of, self.cloud))
        self._moto_s3 = S3.moto()
        self.app: WSGIApplication = FaultGate(
            LoggedApp(self.cloud, Front(self.cloud, S3(self.cloud, self._moto_s3, None))),
            faults=faults or Faults(),
            log=log,
            dialect=DIALECT,
            expire=self._expire_sessions,
        )

    def _expire_sessions(self) -> None:
        with self.cloud.lock:
            self.credentials.expire_sessions()

    def contents(self) -> dict[str, Any]:
        """What it knows, to be kept and given to another as `kept`; while `cloud.lock` is held."""
        return {"credentials": self.credentials, "moto": moto_contents(), "cloud": self.cloud.contents()}

    def endpoint_app(self, vpc_endpoint_id: str) -> WSGIApplication:
        """S3 as seen through an interface endpoint: its policy applies, and it is the requests' `aws:SourceVpce`."""
        return LoggedApp(self.cloud, S3(self.cloud, self._moto_s3, vpc_endpoint_id))

    def session(self, role_arn: str, session_name: str, duration_seconds: float = 3600.0) -> Credential:
        """A session of a role without asking its trust policy: one that a service of the clouds vends itself."""
        with self.cloud.lock:
            return self.credentials.issue(
                role_arn=role_arn,
                role_id="AROAEMULATEDSERVICE00",
                session_name=session_name,
                duration_seconds=duration_seconds,
            )

    def hop(self, service_name: str) -> Hop:
        """What becomes of a TCP connection to this endpoint service, now."""
        with self.cloud.lock:
            return examine(self.cloud, service_name)
