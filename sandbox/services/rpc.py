"""The Alibaba Cloud endpoints that a box calls with its role's credentials: OOS parameters, monitoring data.

Every call is checked as the cloud does it: signature, its age and nonce, the security token, then the policy of
the role. Errors are {Code, Message, RequestId} with the cloud's codes.
"""

import datetime as dt
import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from sandbox.services import policy, sessions, signature
from sandbox.state import Machine, Secret, Store

ACCOUNT_ID = "1234567890123456"
REMEMBERED_NONCES = 10_000
MAX_NAMES = 10  # of GetSecretParameters


class ApiError(Exception):
    """An answer that is an error; `code` is the cloud's."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Caller:
    """Who calls: an instance with its role, in a region."""

    machine: Machine
    policy: policy.Policy

    def demand(self, action: str, resource: str) -> None:
        """Refuse what the role's policy does not allow. `resource`: the part after the account."""
        service = action.partition(":")[0]
        name = f"acs:{service}:{self.machine.region_id}:{ACCOUNT_ID}:{resource}"
        if not self.policy.allows(action, name):
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                "NoPermission",
                f"You are not authorized to do this action. Action: {action}, Resource: {name}",
            )


Action = Callable[[Caller, dict[str, str]], dict[str, object]]


class Endpoints:
    """All RPC endpoints of a region. `metrics_log` receives what boxes report, one JSON object a line."""

    def __init__(self, store: Store, key: bytes, metrics_log: Path) -> None:
        self._store = store
        self._key = key
        self._metrics_log = metrics_log
        self._nonces: deque[str] = deque(maxlen=REMEMBERED_NONCES)
        self._actions: dict[str, Action] = {
            "GetSecretParameter": self._get_secret_parameter,
            "GetSecretParameters": self._get_secret_parameters,
            "PutCustomMetric": self._put_monitoring_data,
            "PutCustomEvent": self._put_monitoring_data,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """One RPC call, GET or POST."""
        body = await request.read()
        is_form = request.content_type == "application/x-www-form-urlencoded"
        form = [(name, str(value)) for name, value in (await request.post()).items()] if is_form else []
        call = signature.Request(
            method=request.method,
            path=request.path,
            query=list(request.query.items()),
            form=form,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        request_id = str(uuid.uuid4()).upper()
        try:
            answer = self.answer(call, dt.datetime.now(dt.UTC))
        except ApiError as error:
            content = {"Code": error.code, "Message": str(error), "RequestId": request_id}
            return web.json_response(content, status=error.status)
        return web.json_response({"RequestId": request_id} | answer)

    def answer(self, call: signature.Request, now: dt.datetime) -> dict[str, object]:
        """What the call returns; raises `ApiError`."""
        try:
            claim = signature.read_claim(call, now)
        except signature.SignatureError as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, error.code, str(error)) from error
        caller = self._authenticate(claim, now)
        action = self._actions.get(claim.action)
        if action is None:
            raise ApiError(
                HTTPStatus.NOT_FOUND, "InvalidAction.NotFound", f"Specified api is not found: {claim.action}"
            )
        return action(caller, call.parameters)

    def _authenticate(self, claim: signature.Claim, now: dt.datetime) -> Caller:
        machines = {machine.instance_id: machine for machine in self._store.all_machines()}
        roles = {name: role for name in machines if (role := self._store.read_role(name)) is not None}
        attached = {name: role.role_name for name, role in roles.items()}
        found = sessions.find(self._key, attached, claim.access_key_id, now)
        if found is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        instance_id, session = found
        if not claim.signed_with(session.access_key_secret):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "SignatureDoesNotMatch",
                f"Specified signature is not matched with our calculation. server string to sign is: {claim.text}",
            )
        if claim.security_token is None:
            raise ApiError(HTTPStatus.BAD_REQUEST, "MissingSecurityToken", "SecurityToken is mandatory.")
        if claim.security_token != session.security_token:
            raise ApiError(HTTPStatus.BAD_REQUEST, "InvalidSecurityToken.Malformed", "The security token is not valid.")
        if claim.nonce in self._nonces:
            raise ApiError(HTTPStatus.BAD_REQUEST, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces.append(claim.nonce)
        return Caller(machines[instance_id], policy.parse(roles[instance_id].policy))

    def _get_secret_parameter(self, caller: Caller, parameters: dict[str, str]) -> dict[str, object]:
        name = _required(parameters, "Name")
        caller.demand("oos:GetSecretParameter", f"secretparameter/{name}")
        secret = self._store.read_secret(name)
        if secret is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "EntityNotExists.Parameter", f"The Parameter {name} does not exist.")
        return {"Parameter": _describe(caller, secret, parameters)}

    def _get_secret_parameters(self, caller: Caller, parameters: dict[str, str]) -> dict[str, object]:
        text = _required(parameters, "Names")
        try:
            names = json.loads(text)
        except ValueError:
            names = None
        if not isinstance(names, list) or not 0 < len(names) <= MAX_NAMES:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, "InvalidParameter", f"Names: {text}: a JSON array of 1 to {MAX_NAMES} names"
            )
        found: list[object] = []
        unknown: list[object] = []
        for name in names:
            caller.demand("oos:GetSecretParameters", f"secretparameter/{name}")
            secret = self._store.read_secret(str(name))
            if secret is None:
                unknown.append(name)
            else:
                found.append(_describe(caller, secret, parameters))
        return {"Parameters": found, "InvalidParameters": unknown}

    def _put_monitoring_data(self, caller: Caller, parameters: dict[str, str]) -> dict[str, object]:
        action = _required(parameters, "Action") if "Action" in parameters else "PutCustomMetric"
        caller.demand(f"cms:{action}", "*")
        with self._metrics_log.open("a") as log:
            log.write(json.dumps({"instance": caller.machine.instance_id, "parameters": parameters}) + "\n")
        return {"Code": "200", "Message": "success"}


def _describe(caller: Caller, secret: Secret, parameters: dict[str, str]) -> dict[str, object]:
    described: dict[str, object] = {
        "Id": f"p-{secret.name}",
        "Name": secret.name,
        "Type": "Secret",
        "ParameterVersion": secret.version,
        "RegionId": caller.machine.region_id,
    }
    if parameters.get("WithDecryption", "false").lower() == "true":
        described["Value"] = secret.value
    return described


def _required(parameters: dict[str, str], name: str) -> str:
    if not parameters.get(name):
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Missing{name}", f"{name} is mandatory for this action.")
    return parameters[name]
