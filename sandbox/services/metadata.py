"""The instance metadata service, 100.100.100.200, in hardened mode only (`http_tokens=required`).

Source: Alibaba Cloud ECS, "View instance metadata" and "Hardened mode": a token by PUT, 1 to 21600 seconds, then
in a header; a request that passed a proxy (X-Forwarded-For) is refused. The machine is known by its address.
"""

import datetime as dt
import hmac
import json
import secrets
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.network import METADATA, RESOLVER
from sandbox.services import sessions
from sandbox.services.faults import FaultPlan, strike_before_answer
from sandbox.services.rpc import ACCOUNT_ID
from sandbox.state import Machine, Store

MAX_TTL_S = 21_600
TOKEN_HEADER = "X-aliyun-ecs-metadata-token"  # noqa: S105  a header's name
TTL_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds"


class Metadata:
    """Answers each machine of the region with its own data."""

    def __init__(self, store: Store, key: bytes, faults: FaultPlan, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._key = key
        self._faults = faults
        self._clock = clock

    def application(self) -> web.Application:
        """All paths of the service."""
        application = web.Application(middlewares=[self._go_wrong])
        application.router.add_put("/latest/api/token", self._issue_token)
        application.router.add_get("/latest/{path:.*}", self._read)
        return application

    @web.middleware
    async def _go_wrong(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._faults.strike(request.method, METADATA, request.path)
        status = await strike_before_answer(fault, request)
        return await handler(request) if status is None else web.Response(status=status)

    async def _issue_token(self, request: web.Request) -> web.Response:
        machine = self._caller(request)
        _refuse_proxied(request)
        text = request.headers.get(TTL_HEADER, "")
        if not text.isdigit() or not 1 <= int(text) <= MAX_TTL_S:
            raise web.HTTPBadRequest(text=f"{TTL_HEADER}: {text or 'missing'}; expected 1 to {MAX_TTL_S}")
        expires = int(self._clock()) + int(text)
        nonce = secrets.token_hex(8)
        return web.Response(text=f"{expires}.{nonce}.{self._sign(machine, expires, nonce)}")

    async def _read(self, request: web.Request) -> web.Response:
        machine = self._caller(request)
        _refuse_proxied(request)
        if not self._token_holds(machine, request.headers.get(TOKEN_HEADER, "")):
            raise web.HTTPForbidden(text="403 - Forbidden: a valid metadata token is required")
        path = request.match_info["path"].strip("/")
        if path == "user-data":
            return web.Response(body=self._store.user_data(machine.instance_id).read_bytes())
        prefix, _, key = path.partition("/")
        if prefix != "meta-data":
            raise web.HTTPNotFound
        return web.Response(text=self._value(machine, key))

    def _value(self, machine: Machine, key: str) -> str:
        address = next((a.address for a in self._store.all_addresses() if a.instance_id == machine.instance_id), None)
        values = {
            "instance-id": machine.instance_id,
            "region-id": machine.region_id,
            "zone-id": machine.zone_id,
            "eipv4": address,
            "private-ipv4": machine.private_ip,
            "mac": machine.mac,
            "hostname": machine.hostname,
            "instance/instance-type": machine.instance_type,
            "image-id": machine.image_id,
            "owner-account-id": ACCOUNT_ID,
            "dns-conf/nameservers": RESOLVER,
            **self._credentials(machine),
        }
        value = values.get(key)
        if value is None and key in {"", "instance", "dns-conf", "ram"}:
            value = _listing(key, [name for name, value in values.items() if value is not None])
        if value is None:
            raise web.HTTPNotFound
        return value

    def _credentials(self, machine: Machine) -> dict[str, str]:
        role = self._store.read_role(machine.instance_id)
        if role is None:
            return {}
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        session = sessions.issue(self._key, machine.instance_id, role.role_name, now)
        document = {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.access_key_secret,
            "SecurityToken": session.security_token,
            "Expiration": session.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "LastUpdated": (session.expiration - 2 * sessions.WINDOW).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Code": "Success",
        }
        where = "ram/security-credentials/"
        return {where: role.role_name, where.rstrip("/"): role.role_name, where + role.role_name: json.dumps(document)}

    def _caller(self, request: web.Request) -> Machine:
        for machine in self._store.all_machines():
            if machine.private_ip == request.remote:
                return machine
        raise web.HTTPNotFound(text=f"no instance has the address {request.remote}")

    def _token_holds(self, machine: Machine, token: str) -> bool:
        expires, _, rest = token.partition(".")
        nonce, _, signature = rest.partition(".")
        if not expires.isdigit() or int(expires) < self._clock():
            return False
        return hmac.compare_digest(signature, self._sign(machine, int(expires), nonce))

    def _sign(self, machine: Machine, expires: int, nonce: str) -> str:
        text = f"metadata|{machine.instance_id}|{expires}|{nonce}".encode()
        return hmac.digest(self._key, text, "sha256").hex()


def _refuse_proxied(request: web.Request) -> None:
    if "X-Forwarded-For" in request.headers:
        raise web.HTTPForbidden(text="403 - Forbidden: requests through a proxy are refused")


def _listing(directory: str, keys: list[str]) -> str:
    prefix = f"{directory}/" if directory else ""
    below = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    return "\n".join(sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in below}))
