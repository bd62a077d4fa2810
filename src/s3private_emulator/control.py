"""The emulator's own door, under `/_emulator/`: what the clouds were asked, how long things take, what goes
wrong, who is in the world.

GET  /_emulator/world
GET  /_emulator/requests[?since=<mark>]
GET  /_emulator/delays      PUT {"rule-established": "3 polls", ...}
GET  /_emulator/faults      POST {"operation": "ec2:CreateVpcEndpoint", "fault": "reply-lost", ...}, or a list
                            DELETE forgets them all
POST /_emulator/endings     {"takes": "rule-endpoint-id", "state": "CREATE_FAILED", "message": "..."}, or a list
POST /_emulator/stranger    {"service_name": "com.amazonaws.vpce...."}
POST /_emulator/session     {"workspace": 1001001001001001, "token": "dapi..."}
GET  /_emulator/resolve?from=<place>&name=<host>
GET  /_emulator/reach?from=<place>&via=<via>&port=<port>
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request, Response

from s3private_emulator.delays import Delay, Delays, Ending, Takes
from s3private_emulator.faults import Faults, Planned
from s3private_emulator.log import RequestLog
from s3private_emulator.network import Network
from s3private_emulator.place import Place
from s3private_emulator.privatelink import NoSuchService, NotAllowed
from s3private_emulator.workspace.refusals import Refusal

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Answer = dict[str, Any]


class Control:
    """A WSGI application. It logs nothing: it is no part of the clouds."""

    def __init__(
        self,
        *,
        world: Callable[[], Answer],
        log: RequestLog,
        delays: Delays,
        faults: Faults,
        network: Network,
        stranger: Callable[[str], str],
        session: Callable[[int, str], dict[str, str]],
    ) -> None:
        self._session = session
        self._world = world
        self._log = log
        self._delays = delays
        self._faults = faults
        self._network = network
        self._stranger = stranger
        self._routes: dict[str, dict[str, Callable[[Request], Answer]]] = {
            "/_emulator/world": {"GET": lambda _request: self._world()},
            "/_emulator/requests": {"GET": self._requests},
            "/_emulator/delays": {"GET": self._get_delays, "PUT": self._put_delays},
            "/_emulator/faults": {"GET": self._get_faults, "POST": self._post_faults, "DELETE": self._delete_faults},
            "/_emulator/endings": {"POST": self._post_endings},
            "/_emulator/stranger": {"POST": self._post_stranger},
            "/_emulator/session": {"POST": self._post_session},
            "/_emulator/resolve": {"GET": self._resolve},
            "/_emulator/reach": {"GET": self._reach},
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            answer = self._route(request)(request)
            response = Response(json.dumps(answer), content_type="application/json")
        except HTTPException as refusal:
            response = Response(f"{refusal.description}\n", status=refusal.code, content_type="text/plain")
        return response(environ, start_response)

    def _route(self, request: Request) -> Callable[[Request], Answer]:
        methods = self._routes.get(request.path)
        if methods is None:
            raise NotFound(f"no {request.path}; there are: {', '.join(self._routes)}")
        if request.method not in methods:
            raise MethodNotAllowed(description=f"{request.path} takes {', '.join(methods)}")
        return methods[request.method]

    def _requests(self, request: Request) -> Answer:
        since = request.args.get("since", "0")
        if not since.isdigit():
            raise BadRequest(f"since is a mark, got {since!r}")
        mark = self._log.mark()
        requests = self._log.since(int(since))
        return {"mark": mark, "requests": [logged.as_dict() for logged in requests[: mark - int(since)]]}

    def _get_delays(self, _request: Request) -> Answer:
        return {takes.value: str(delay) for takes, delay in self._delays.now().items()}

    def _put_delays(self, request: Request) -> Answer:
        wanted = _body(request)
        try:
            parsed = {Takes(name): Delay.parse(str(text)) for name, text in wanted.items()}
        except ValueError as error:
            raise BadRequest(str(error)) from error
        for takes, delay in parsed.items():
            self._delays.set(takes, delay)
        return self._get_delays(request)

    def _get_faults(self, _request: Request) -> Answer:
        faults = [planned.as_dict() for planned in self._faults.every()]
        return {"faults": faults, "endings": [asdict(ending) for ending in self._delays.endings()]}

    def _post_faults(self, request: Request) -> Answer:
        try:
            self._faults.add(*[Planned.parse(one) for one in _bodies(request)])
        except ValueError as error:
            raise BadRequest(str(error)) from error
        return self._get_faults(request)

    def _delete_faults(self, request: Request) -> Answer:
        self._faults.clear()
        self._delays.forget_endings()
        return self._get_faults(request)

    def _post_endings(self, request: Request) -> Answer:
        try:
            endings = [Ending(**{**one, "takes": Takes(one.get("takes", ""))}) for one in _bodies(request)]
        except (TypeError, ValueError) as error:
            raise BadRequest(str(error)) from error
        self._delays.end_badly(*endings)
        return self._get_faults(request)

    def _post_session(self, request: Request) -> Answer:
        asked = _body(request)
        try:
            return self._session(int(asked["workspace"]), str(asked["token"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest("workspace and token are needed, of a workspace that is there") from error
        except Refusal as error:
            raise BadRequest(str(error)) from error

    def _post_stranger(self, request: Request) -> Answer:
        service_name = _body(request).get("service_name")
        if not isinstance(service_name, str):
            raise BadRequest('the body is {"service_name": "com.amazonaws.vpce...."}')
        try:
            return {"vpc_endpoint_id": self._stranger(service_name)}
        except NoSuchService as error:
            raise NotFound(f"no endpoint service {service_name}, or not available") from error
        except NotAllowed as error:
            raise BadRequest(f"{service_name} does not allow the principal {error}") from error

    def _resolve(self, request: Request) -> Answer:
        try:
            return self._network.resolve(_place(request), request.args.get("name", "")).as_dict()
        except KeyError as error:
            raise NotFound(f"no workspace {error}") from error

    def _reach(self, request: Request) -> Answer:
        try:
            port = int(request.args.get("port", "443"))
            return self._network.reach(_place(request), request.args.get("via", ""), port).as_dict()
        except ValueError as error:
            raise BadRequest(str(error)) from error


def _place(request: Request) -> Place:
    try:
        return Place.parse(request.args.get("from", ""))
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _bodies(request: Request) -> list[Answer]:
    """One JSON object, or a list of them."""
    body = request.get_json(force=True)
    every = body if isinstance(body, list) else [body]
    if not all(isinstance(one, dict) for one in every):
        raise BadRequest("a JSON object is expected, or a list of them")
    return every


def _body(request: Request) -> Answer:
    body = request.get_json(force=True)
    if not isinstance(body, dict):
        raise BadRequest("a JSON object is expected")
    return body
