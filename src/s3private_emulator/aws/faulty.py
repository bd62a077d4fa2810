"""How the query APIs of AWS name a request before it is answered, and in which words each refuses it for a fault.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.datastructures import EnvironHeaders

from s3private_emulator.aws.credentials import Unsigned, read_signature
from s3private_emulator.aws.front import NAMES, READS
from s3private_emulator.aws.refusals import error_xml
from s3private_emulator.fault_gate import Dialect, Reply, buffered
from s3private_emulator.faults import Fault, Planned
from s3private_emulator.log import Request

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

THROTTLED = {"ec2": (503, "RequestLimitExceeded", "Request limit exceeded.")}
QUOTAS = {
    "ec2:CreateSecurityGroup": (
        "SecurityGroupLimitExceeded",
        "The maximum number of security groups has been reached.",
    ),
    "ec2:CreateVpcEndpoint": ("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached."),
    "elbv2:CreateListener": ("TooManyListeners", "The maximum number of listeners has been reached."),
    "elbv2:CreateLoadBalancer": ("TooManyLoadBalancers", "The maximum number of load balancers has been reached."),
    "elbv2:CreateTargetGroup": ("TooManyTargetGroups", "The maximum number of target groups has been reached."),
    "elbv2:RegisterTargets": ("TooManyTargets", "The maximum number of targets has been reached."),
}
"""Those with a documented code; for another operation, give the fault its `code`."""


def identify(environ: WSGIEnvironment) -> Request | None:
    """None for S3, and for whatever is no query: no fault meets those."""
    if environ["PATH_INFO"] != "/" or environ["REQUEST_METHOD"] != "POST":
        return None
    if not str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return None
    params = dict(parse_qsl(buffered(environ).decode(), keep_blank_values=True))
    action = params.pop("Action", "")
    params.pop("Version", None)
    if not action:
        return None
    try:
        service = read_signature(EnvironHeaders(environ), environ.get("QUERY_STRING", "")).service
    except Unsigned:
        service = "sts"
    dry = params.get("DryRun", "").lower() == "true"
    return Request(
        service="aws",
        operation=f"{NAMES.get(service, service)}:{action}",
        method="POST",
        path="/",
        status=0,
        writes=not action.startswith(READS) and not dry,
        params=params,
    )


def refuse(request: Request, planned: Planned) -> Reply:
    service = request.operation.split(":")[0]
    if planned.fault is Fault.UNSUCCESSFUL:
        return Reply(status=200, content_type="text/xml", body=_unsuccessful(request, planned).encode())
    if planned.fault is Fault.THROTTLED:
        status, code, message = THROTTLED.get(service, (400, "Throttling", "Rate exceeded"))
    elif planned.fault is Fault.QUOTA:
        status, (code, message) = 400, QUOTAS.get(request.operation, (planned.code, planned.message))
    elif planned.fault is Fault.GATEWAY_TIMEOUT:
        status, code, message = 504, "GatewayTimeout", "The request took too long."
    else:
        internal = "InternalError" if service == "ec2" else "InternalFailure"
        status, code, message = 500, internal, "An internal error has occurred."
    body = error_xml(service, planned.code or code, planned.message or message)
    return Reply(
        status=planned.status or status, content_type="text/xml", body=body.encode(), retry_after=planned.retry_after
    )


def _unsuccessful(request: Request, planned: Planned) -> str:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnsuccessfulItem.html"""
    action = request.operation.split(":")[1]
    error = (
        f"<code>{planned.code or 'InternalError'}</code>"
        f"<message>{escape(planned.message or 'An internal error has occurred.')}</message>"
    )
    ids = [value for name, value in request.params.items() if name.split(".")[0] in ("VpcEndpointId", "ServiceId")]
    if action.endswith("Connections"):
        ids = [one for one in ids if not one.startswith("vpce-svc-")]
    items = "".join(f"<item><error>{error}</error><resourceId>{escape(one)}</resourceId></item>" for one in ids)
    return f"<{action}Response><requestId>emulated</requestId><unsuccessful>{items}</unsuccessful></{action}Response>"


DIALECT = Dialect(identify=identify, refuse=refuse)
