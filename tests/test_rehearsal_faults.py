"""The faults of the outside world: each counts, and is logged, when it happens and not before."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import TypeAdapter

from sandbox.services.faults import Fault, FaultPlan, Kind, spoil

CONTENT = bytes(range(250)) * 4  # 1000 bytes


def plan(directory: Path, *faults: Fault) -> FaultPlan:
    path = directory / "faults.json"
    path.write_bytes(TypeAdapter(tuple[Fault, ...]).dump_json(faults))
    return FaultPlan(path)


def happened(directory: Path) -> list[str]:
    log = directory / "faults.jsonl"
    return [json.loads(line)["path"] for line in log.read_text().splitlines()] if log.exists() else []


def body(faults: FaultPlan, path: str, content: bytes = CONTENT, start: int = 0) -> bytes:
    """What arrives of a file's end, from `start` on, in pieces of 100 bytes."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(start, len(content), 100):
            yield content[at : at + 100]

    async def read() -> bytes:
        arrived = b""
        try:
            async for piece in spoil(faults.strike("GET", "host", path), pieces(), start, len(content) - start):
                arrived += piece
        except ConnectionResetError:
            return arrived + b"CUT"
        return arrived

    return asyncio.run(read())


def test_a_body_that_ends_before_the_place_of_the_cut_leaves_it_to_the_next(tmp_path: Path) -> None:
    faults = plan(tmp_path, Fault(host="*", kind=Kind.CUT, after_bytes=300, times=1))
    assert body(faults, "/small", CONTENT[:200]) == CONTENT[:200]
    assert happened(tmp_path) == []
    assert body(faults, "/large") == CONTENT[:300] + b"CUT"
    assert body(faults, "/large") == CONTENT
    assert happened(tmp_path) == ["/large"]


def test_a_cut_for_ever_lets_nothing_through_beyond_its_place(tmp_path: Path) -> None:
    faults = plan(tmp_path, Fault(host="*", kind=Kind.CUT, after_bytes=350))
    assert body(faults, "/file") == CONTENT[:350] + b"CUT"
    assert body(faults, "/file", start=350) == b"CUT"
    assert body(faults, "/file", start=300) == CONTENT[300:350] + b"CUT"


def test_of_two_requests_that_a_single_fault_is_meant_for_one_is_hit(tmp_path: Path) -> None:
    faults = plan(tmp_path, Fault(host="*", kind=Kind.CUT, after_bytes=300, times=1))
    first, second = (faults.strike("GET", "host", path) for path in ("/first", "/second"))
    assert first is not None
    assert second is not None
    assert (first.happens(), second.happens()) == (True, False)
    assert happened(tmp_path) == ["/first"]


def test_wrong_bytes_are_for_bodies_of_a_size(tmp_path: Path) -> None:
    faults = plan(tmp_path, Fault(host="*", kind=Kind.CORRUPT, min_bytes=500))
    assert body(faults, "/configuration", CONTENT[:499]) == CONTENT[:499]
    spoilt = body(faults, "/layer")
    assert (len(spoilt), spoilt[1:]) == (len(CONTENT), CONTENT[1:])
    assert spoilt != CONTENT
    assert happened(tmp_path) == ["/layer"]


def test_a_delay_in_the_body_comes_once_and_then_the_rest(tmp_path: Path) -> None:
    faults = plan(tmp_path, Fault(host="*", kind=Kind.DELAY, after_bytes=250, delay_s=0.01))
    assert body(faults, "/file") == CONTENT
    assert body(faults, "/file", start=300) == CONTENT[300:]
    assert happened(tmp_path) == ["/file"]
