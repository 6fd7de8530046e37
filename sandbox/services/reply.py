"""Answers as plain values, so that the front can log them, count them and spoil them all in the same way."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, web
from multidict import CIMultiDict

CHUNK = 1 << 20
# Those of a connection, not of the message (RFC 9110, 7.6.1), and those that the front sets itself.
HOP_HEADERS = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "date"}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `length` is that of the body in bytes, None where it is not known beforehand."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: AsyncIterator[bytes] | bytes = b""
    length: int | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        if isinstance(self.body, bytes):
            yield self.body
        else:
            async for chunk in self.body:
                yield chunk

    @property
    def size(self) -> int | None:
        """The body's length in bytes, where it is known."""
        return len(self.body) if isinstance(self.body, bytes) and self.length is None else self.length


def text(status: int, content: str, headers: Mapping[str, str] | None = None) -> Reply:
    """A short text, for instance an error."""
    return Reply(status, {"Content-Type": "text/plain; charset=utf-8"} | dict(headers or {}), content.encode())


def document(content: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON document."""
    return Reply(status, {"Content-Type": "application/json"} | dict(headers or {}), json.dumps(content).encode())


def redirect(status: int, location: str) -> Reply:
    """A redirect."""
    return Reply(status, {"Location": location})


def file(request: web.Request, path: Path) -> Reply:
    """A file, or the range of it that was asked for."""
    if not path.is_file():
        return text(HTTPStatus.NOT_FOUND, "not found\n")
    size = path.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    try:
        start, stop, _ = request.http_range.indices(size)
    except ValueError:
        return Reply(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
    if "Range" not in request.headers:
        return Reply(HTTPStatus.OK, headers, _read(path, 0, size), size)
    if start >= stop:
        return Reply(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(HTTPStatus.PARTIAL_CONTENT, headers, _read(path, start, stop), stop - start)


async def forward(session: ClientSession, url: str, request: web.Request, *, keep_host: bool) -> Reply:
    """What another server answers to the same request. `keep_host`: it builds links from the name it is asked as."""
    headers = _end_to_end(request.headers)
    headers.popall("Host", None)
    if keep_host:
        headers["Host"] = request.host
    answer = await session.request(
        request.method,
        url,
        headers=headers,
        data=await request.read() or None,
        allow_redirects=False,
        timeout=ClientTimeout(total=None, sock_connect=10, sock_read=60),
    )
    passed = _end_to_end(answer.headers)

    async def body() -> AsyncIterator[bytes]:
        async with answer:
            async for chunk in answer.content.iter_chunked(CHUNK):
                yield chunk

    length = int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
    if request.method == "HEAD":
        answer.release()
        return Reply(answer.status, passed, length=length)
    return Reply(answer.status, passed, body(), length)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """What a proxy passes on. Docker names each format that it accepts in a header line of its own."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_HEADERS)


async def _read(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    with path.open("rb") as source:
        source.seek(start)
        while start < stop:
            chunk = await asyncio.to_thread(source.read, min(CHUNK, stop - start))
            if not chunk:
                return
            start += len(chunk)
            yield chunk
