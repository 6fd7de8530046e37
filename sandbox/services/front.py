"""The front: every host name of the internet that a box may ask for ends here, over TLS or in clear.

Each request is looked up by its host, spoiled by the fault that is asked for, and logged as one JSON object a line;
`fault` there is what went wrong, null where nothing did.
"""

import json
import re
import time
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientError, web

from sandbox.services.faults import FaultPlan, Strike, spoil, strike_before_answer
from sandbox.services.origins import BACKENDS, MIRRORS, Origins
from sandbox.services.reply import Reply, redirect, text

IN_CLEAR = {*MIRRORS, *BACKENDS}  # all others send a client that comes without TLS away
LARGEST_REQUEST = 8 << 20  # bytes


class Front:
    """Answers as all of `origins`."""

    def __init__(self, origins: Origins, faults: FaultPlan, log: Path) -> None:
        self._origins = origins
        self._faults = faults
        self._log = log

    def application(self) -> web.Application:
        """One application for all hosts."""
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        host = request.host.partition(":")[0].lower()
        strike = self._faults.strike(request.method, host, request.path)
        sent = 0
        status = 0
        try:
            reply = await self._answer(request, host, strike)
            status = reply.status
            response = web.StreamResponse(status=reply.status, headers=reply.headers)
            response.content_length = reply.size
            await response.prepare(request)
            if request.method != "HEAD":
                async for chunk in spoil(strike, reply.chunks(), _start(reply), reply.size):
                    await response.write(chunk)
                    sent += len(chunk)
            await response.write_eof()
        except ConnectionResetError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self._write_log(request, host, status, sent, began, strike)
        return response

    async def _answer(self, request: web.Request, host: str, strike: Strike | None) -> Reply:
        status = await strike_before_answer(strike, request)
        if status is not None:
            return text(status, "a fault on demand\n")
        origin = self._origins.find(host)
        if origin is None:
            return text(HTTPStatus.MISDIRECTED_REQUEST, f"nothing here answers as {host}\n")
        if not request.secure and host not in IN_CLEAR:
            return redirect(HTTPStatus.MOVED_PERMANENTLY, f"https://{host}{request.path_qs}")
        try:
            return await origin(request)
        except (ClientError, TimeoutError) as error:
            return text(HTTPStatus.BAD_GATEWAY, f"{host}: {error}\n")

    def _write_log(
        self, request: web.Request, host: str, status: int, sent: int, began: float, strike: Strike | None
    ) -> None:
        entry = {
            "time": time.time(),
            "client": request.remote,
            "method": request.method,
            "host": host,
            "path": request.path,
            "status": status,
            "bytes": sent,
            "seconds": round(time.monotonic() - began, 3),
            "fault": strike.fault.kind if strike and strike.happened else None,
        }
        with self._log.open("a") as log:
            log.write(json.dumps(entry) + "\n")


def _start(reply: Reply) -> int:
    """Where in the whole file an answer begins (RFC 9110, 14.4: `bytes 1000-1999/5000`)."""
    found = re.match(r"bytes (\d+)-", reply.headers.get("Content-Range", ""))
    return int(found[1]) if found else 0
