"""Faults on demand: what a test or a rehearsal wants to go wrong, per host and path, in a JSON file.

The file holds an array of `Fault` objects and is read again whenever it changes. The first fault that matches a
request and is not used up is its own; it counts, and is logged beside the file (`faults.jsonl`), when it happens: a
body that ends before the place of a cut has not been cut.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
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

    `status`: the answer's status (kind status). `after_bytes`: where a body is cut or waits (kinds cut and delay),
    from the first byte of the whole file, also where only a range of it is asked for; 0 of a delay is before the
    answer. `min_bytes`: smaller bodies are let through (kinds cut and corrupt). `delay_s`: seconds (kind delay).
    `times`: how often it happens; absent means for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    path: str = "*"
    method: str | None = None
    kind: Kind
    status: int | None = Field(default=None, ge=100, le=599)
    after_bytes: int = Field(default=0, ge=0)
    min_bytes: int = Field(default=0, ge=0)
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


@dataclass
class Strike:
    """A fault that is meant for a request. `happened` is False until it does harm."""

    fault: Fault
    take: Callable[[], bool]
    happened: bool = False

    def happens(self) -> bool:
        """Whether the fault has a turn left. If so, this is it."""
        self.happened = self.happened or self.take()
        return self.happened


class FaultPlan:
    """The faults in `path`, and how often each has happened since the file changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_suffix(".jsonl")
        self._read: tuple[int, int] | None = None
        self._faults: tuple[Fault, ...] = ()
        self._happened: Counter[Fault] = Counter()

    def strike(self, method: str, host: str, path: str) -> Strike | None:
        """The fault for this request."""
        self._refresh()
        for fault in self._faults:
            if self._left(fault) and fault.matches(method, host, path):
                return Strike(fault, partial(self._take, fault, method, host, path))
        return None

    def _left(self, fault: Fault) -> bool:
        return fault.times is None or self._happened[fault] < fault.times

    def _take(self, fault: Fault, method: str, host: str, path: str) -> bool:
        if fault not in self._faults or not self._left(fault):  # another request had the last turn meanwhile
            return False
        self._happened[fault] += 1
        entry = {"time": time.time(), "method": method, "host": host, "path": path, "kind": fault.kind}
        with self._log.open("a") as log:
            log.write(json.dumps(entry) + "\n")
        return True

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
            self._happened.clear()
            self._read = version


async def strike_before_answer(strike: Strike | None, request: web.Request) -> int | None:
    """Let a fault delay the answer or keep it back for ever; the status that it puts in the answer's place, if any."""
    match strike:
        case Strike(fault=Fault(kind=Kind.STATUS, status=int(status))) if strike.happens():
            return status
        case Strike(fault=Fault(kind=Kind.HANG)) if strike.happens():
            await _wait_for_client_to_leave(request)
        case Strike(fault=Fault(kind=Kind.DELAY, after_bytes=0, delay_s=delay_s)) if strike.happens():
            await asyncio.sleep(delay_s)
    return None


async def _wait_for_client_to_leave(request: web.Request) -> None:
    """Hang as long as somebody waits."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  no event tells its end
        await asyncio.sleep(0.2)
    raise ConnectionResetError("hung up")


async def spoil(
    strike: Strike | None, chunks: AsyncIterator[bytes], start: int = 0, size: int | None = None
) -> AsyncIterator[bytes]:
    """The body as the fault leaves it. Ends with `ConnectionResetError` where the connection is to be cut.

    `start`: where in the whole file the body begins; `size`: its length in bytes, None where it is not known.
    """
    at = start
    async for chunk in chunks:
        match strike:
            case Strike(fault=Fault(kind=kind, after_bytes=place, min_bytes=least) as fault, happened=False) if (
                _here(kind, at, len(chunk), place) and (size is None or size >= least) and strike.happens()
            ):
                async for piece in _spoilt(fault, chunk, max(0, place - at)):
                    yield piece
            case _:
                yield chunk
        at += len(chunk)


def _here(kind: Kind, at: int, length: int, place: int) -> bool:
    """Whether the fault lies in the `length` bytes from `at` on. Nothing comes through beyond the place of a cut."""
    if kind is Kind.CUT:
        return at + length > place
    return length > 0 and (kind is Kind.CORRUPT or (kind is Kind.DELAY and place > 0 and at <= place < at + length))


async def _spoilt(fault: Fault, chunk: bytes, place: int) -> AsyncIterator[bytes]:
    """The chunk in which the fault lies, `place` bytes from its beginning."""
    if fault.kind is Kind.CORRUPT:
        yield bytes([chunk[0] ^ 0xFF]) + chunk[1:]
        return
    if place:
        yield chunk[:place]
    if fault.kind is Kind.CUT:
        raise ConnectionResetError("cut on demand")
    await asyncio.sleep(fault.delay_s)
    yield chunk[place:]
