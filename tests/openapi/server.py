"""The HTTP side of the stand-in: takes a request apart, checks it, and asks a region for the answer."""

import json
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.openapi import signature
from tests.openapi.signature import RefusedError
from tests.serving import running

ACCESS_KEY, SECRET, TOKEN = "LTAI-operator", "operator-secret", "operator-token"


@dataclass(frozen=True)
class Fault:
    """An answer other than success, as documented: HTTP status, code, message; `page` is HTML in its place."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    page: str = ""


@dataclass(frozen=True)
class Received:
    """One accepted request: the service by its version, and its parameters with their nesting."""

    version: str
    action: str
    parameters: Mapping[str, Any]


@dataclass
class OpenApi:
    """What all services answer with. `faults` are used up one by one, an entry per call of the action."""

    answer: Callable[[str, Mapping[str, Any]], Mapping[str, Any] | Fault]
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    port: int = 0

    def called(self, action: str) -> list[Mapping[str, Any]]:
        return [one.parameters for one in self.received if one.action == action]

    def accept(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any] | Fault:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            signature.check(method, parts.path, query, headers, body, {ACCESS_KEY: SECRET})
        except RefusedError as error:
            return Fault(error.status, error.code, error.message)
        if headers["x-acs-signature-nonce"] in self.nonces:
            return Fault(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self.nonces.add(headers["x-acs-signature-nonce"])
        if headers.get("x-acs-security-token", TOKEN) != TOKEN:
            return Fault(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
        action = headers["x-acs-action"]
        flat = {**query, **dict(parse_qsl(body.decode(), keep_blank_values=True))}
        parameters = nested(flat)
        self.received.append(Received(headers["x-acs-version"], action, parameters))
        if wrong := [name for name, value in flat.items() if value in ("True", "False")]:
            return Fault(400, f"InvalidParameter.{wrong[0]}", "Booleans are true and false.")
        if waiting := self.faults.get(action):
            return waiting.pop(0)
        return self.answer(action, parameters)


def nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """`{"DataDisk.1.Size": "20"}` -> `{"DataDisk": [{"Size": "20"}]}`."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}


class Server(ThreadingHTTPServer):
    """One that does not mind clients that go away: their pools reset idle connections."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(api: OpenApi):
    """Serve on a loopback port of its own, which `api.port` then has."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            result = api.accept(self.command, self.path, headers, body)
            request_id = str(uuid.uuid4()).upper()
            if isinstance(result, Fault) and result.page:
                self._send(result.status, result.page.encode(), {"Content-Type": "text/html"})
            elif isinstance(result, Fault):
                document: Mapping[str, Any] = {
                    "RequestId": request_id,
                    "HostId": headers["host"],
                    "Code": result.code,
                    "Message": result.message,
                    "Recommend": f"https://api.aliyun.com/troubleshoot?q={result.code}",
                }
                self._send(result.status, json.dumps(document).encode(), result.headers)
            else:
                self._send(200, json.dumps({"RequestId": request_id, **result}).encode(), {})

        do_GET = do_POST

        def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json;charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    with running(server):
        yield api
