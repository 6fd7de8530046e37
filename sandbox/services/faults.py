"""Faults on demand: what a test or a rehearsal wants to go wrong, per host and path, in a JSON file.

The file holds an array of `Fault` objects and is read again whenever it changes. The first fault that matches a
request and is not used up is applied.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator


class Kind(StrEnum):
    """What goes wrong: an HTTP status, wrong bytes, a connection cut in the body, no answer at all, a late one."""

    STATUS = "status"
    CORRUPT = "corrupt"
    CUT = "cut"
    HANG = "hang"
    DELAY = "delay"


class Fault(BaseModel):
    """One fault. `host` and `path` are shell patterns; `method` absent means any.

    `status`: the answer's status (kind status). `after_bytes`: how much of the body arrives before the cut.
    `delay_s`: seconds before the answer (kind delay). `times`: how many requests it hits; absent means for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    path: str = "*"
    method: str | None = None
    kind: Kind
    status: int | None = Field(default=None, ge=100, le=599)
    after_bytes: int = Field(default=0, ge=0)
    delay_s: float = Field(default=0.0, ge=0)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind is Kind.STATUS) != (self.status is not None):
            raise ValueError(f"kind {self.kind}: status belongs to kind status, and only there")
        return self

    def matches(self, method: str, host: str, path: str) -> bool:
        """Whether the fault is meant for this request."""
        return (
            (self.method is None or self.method == method)
            and fnmatchcase(host, self.host)
            and fnmatchcase(path, self.path)
        )


FAULTS = TypeAdapter(tuple[Fault, ...])


class FaultPlan:
    """The faults in `path`, and how often each has struck since the file changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._faults: tuple[Fault, ...] = ()
        self._struck: Counter[int] = Counter()

    def strike(self, method: str, host: str, path: str) -> Fault | None:
        """The fault for this request; it counts as used."""
        self._refresh()
        for number, fault in enumerate(self._faults):
            left = fault.times is None or self._struck[number] < fault.times
            if left and fault.matches(method, host, path):
                self._struck[number] += 1
                return fault
        return None

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            version, content = None, b"[]"
        else:
            version = (status.st_mtime_ns, status.st_ino)
            content = self._path.read_bytes() if version != self._read else b""
        if version != self._read:
            self._faults = FAULTS.validate_python(json.loads(content))
            self._struck.clear()
            self._read = version


async def strike_before_answer(fault: Fault | None, request: web.Request) -> int | None:
    """Let a fault delay the answer or keep it back for ever; the status that it puts in the answer's place, if any."""
    match fault:
        case Fault(kind=Kind.STATUS, status=int(status)):
            return status
        case Fault(kind=Kind.HANG):
            await _wait_for_client_to_leave(request)
        case Fault(kind=Kind.DELAY, delay_s=delay_s):
            await asyncio.sleep(delay_s)
    return None


async def _wait_for_client_to_leave(request: web.Request) -> None:
    """Hang as long as somebody waits."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  no event tells its end
        await asyncio.sleep(0.2)
    raise ConnectionResetError("hung up")


async def spoil(fault: Fault | None, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body as the fault leaves it. Ends with `ConnectionResetError` where the connection is to be cut."""
    passed = 0
    async for chunk in chunks:
        match fault:
            case Fault(kind=Kind.CUT, after_bytes=limit) if passed + len(chunk) > limit:
                yield chunk[: limit - passed]
                raise ConnectionResetError("cut on demand")
            case Fault(kind=Kind.CORRUPT) if passed == 0 and chunk:
                yield bytes([chunk[0] ^ 0xFF]) + chunk[1:]
            case _:
                yield chunk
        passed += len(chunk)
