"""Jobs: create, get, list, reset, update, delete.

https://docs.databricks.com/api/workspace/jobs
"""

from __future__ import annotations

import time
from typing import Any

from s3private_emulator.workspace.identity import Principal
from s3private_emulator.workspace.job_settings import checked
from s3private_emulator.workspace.permissions import Permissions
from s3private_emulator.workspace.refusals import Refusal, invalid, permission_denied
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.store import Record, Store, Table

V = ("2.1", "2.2")


class Jobs:
    def __init__(self, store: Store, permissions: Permissions) -> None:
        self._store = store
        self._permissions = permissions

    def add_routes(self, router: Router) -> None:
        router.add("POST", "jobs/create", self._create, versions=V)
        router.add("GET", "jobs/get", self._get, versions=V)
        router.add("GET", "jobs/list", self._list, versions=V)
        router.add("POST", "jobs/reset", self._reset, versions=V)
        router.add("POST", "jobs/update", self._update, versions=V)
        router.add("POST", "jobs/delete", self._delete, versions=V)

    def known(self, job_id: object) -> Record:
        """Raises Refusal."""
        found = self._table().get(str(job_id))
        if found is None:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.")
        return found

    def permitted(self, call: Call, job_id: object, level: str) -> Record:
        """The job, for a principal that has this level on it. Raises Refusal."""
        job = self.known(job_id)
        self._permissions.need_on_job(call.principal, job["job_id"], level)
        return job

    def _table(self) -> Table:
        return self._store.table("jobs")

    def _create(self, call: Call) -> Answer:
        body = call.body
        acl = body.pop("access_control_list", None)
        if acl:
            raise invalid("the emulated workspace takes a job's permissions by the permissions API only")
        settings = checked(body)
        _check_run_as(call.principal, _run_as_of(settings), before=call.principal.name)
        number = self._store.next_id()
        self._table()[str(number)] = {
            "job_id": number,
            "creator_user_name": call.principal.name,
            "created_time": int(time.time() * 1000),
            "settings": settings,
        }
        self._permissions.own(number, call.principal.name)
        return {"job_id": number}

    def _get(self, call: Call) -> Answer:
        return _told(self.permitted(call, call.need("job_id"), "CAN_VIEW"))

    def _list(self, call: Call) -> Answer:
        """All that may be viewed, on one page: nobody has more than 100 jobs here."""
        name = call.args.get("name")
        told = [
            _told(job)
            for job in self._table().values()
            if self._permissions.has_on_job(call.principal, job["job_id"], "CAN_VIEW")
        ]
        found = [job for job in told if name is None or job["settings"]["name"].lower() == name.lower()]
        if not call.is_true("expand_tasks"):
            for job in found:
                job["settings"] = {k: v for k, v in job["settings"].items() if k not in ("tasks", "environments")}
        return {"jobs": found, "has_more": False}

    def _reset(self, call: Call) -> Answer:
        job = self.permitted(call, need(call.body, "job_id"), "IS_OWNER")
        settings = dict(need(call.body, "new_settings"))
        if "run_as" not in settings and "run_as" in job["settings"]:
            settings["run_as"] = job["settings"]["run_as"]  # what a reset leaves out is not who it runs as
        self._put(call, job, settings)
        return {}

    def _update(self, call: Call) -> Answer:
        job = self.permitted(call, need(call.body, "job_id"), "IS_OWNER")
        settings = {**job["settings"], **call.body.get("new_settings", {})}
        for name in call.body.get("fields_to_remove", []):
            settings.pop(name, None)
        self._put(call, job, settings)
        return {}

    def _put(self, call: Call, job: Record, settings: Record) -> None:
        new = checked(settings)
        _check_run_as(call.principal, _run_as_of(new), before=run_as(job))
        job["settings"] = new

    def _delete(self, call: Call) -> Answer:
        job = self.permitted(call, need(call.body, "job_id"), "IS_OWNER")
        del self._table()[str(job["job_id"])]
        return {}


def run_as(job: Record) -> str:
    """Whose identity the job's runs have."""
    return _run_as_of(job["settings"]) or str(job["creator_user_name"])


def _run_as_of(settings: Record) -> str | None:
    named: dict[str, Any] = settings.get("run_as") or {}
    return named.get("user_name") or named.get("service_principal_name")


def _check_run_as(principal: Principal, wanted: str | None, *, before: str) -> None:
    """Others than admins let a job run as themselves only: nobody here has a role on a service principal.
    https://docs.databricks.com/aws/en/jobs/privileges#run-as"""
    if wanted not in (None, before, principal.name) and not principal.is_admin:
        raise permission_denied(f"User {principal.name} is not allowed to set run_as to {wanted}.")


def _told(job: Record) -> Record:
    return {**job, "settings": dict(job["settings"]), "run_as_user_name": run_as(job)}
