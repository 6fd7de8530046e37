"""Archives: from any of several addresses, resumed where cut, trusted by SHA-256 alone."""

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

from owbox.base import TRANSIENT, Box, HttpError, StepError, TransientError, request, retry, run, say

CHUNK = 1 << 20
EVERY_S = 15  # between progress lines


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def resume(url: str, part: Path) -> None:
    """Add to `part` what is missing; `TransientError` where the connection ends too early."""
    have = part.stat().st_size if part.exists() else 0
    with request(url, headers={"Range": f"bytes={have}-"} if have else {}, timeout=30) as answer:
        if answer.status != 206:  # the whole file, whatever was asked
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        told = time.monotonic()
        with part.open("ab" if have else "wb") as file:
            while chunk := answer.read(CHUNK):
                have += file.write(chunk)
                if time.monotonic() - told > EVERY_S:
                    told = time.monotonic()
                    say(f"{part.name}: {have >> 20} of {total >> 20} MiB")
    if have < total:
        raise TransientError(f"{url}: cut after {have} of {total} bytes")


def resume_while_it_grows(url: str, part: Path) -> None:
    """A connection that is cut again and again still gets there, as long as each one brings something."""
    while True:
        size = part.stat().st_size if part.exists() else 0
        try:
            return resume(url, part)
        except HttpError as error:
            if error.status == 416:  # ours is longer than theirs
                part.unlink()
            raise
        except TRANSIENT as error:
            if not part.exists() or part.stat().st_size <= size:
                raise
            say(f"{error}; resuming")


def attempt(artifact: Any, part: Path) -> None:
    """One round over all addresses, until the content is the pinned one."""
    reasons = []
    for url in artifact["urls"]:
        try:
            resume_while_it_grows(url, part)
        except TRANSIENT as error:
            reasons.append(str(error))
            continue
        if (found := sha256(part)) == artifact["sha256"]:
            return
        part.unlink()
        reasons.append(f"{url}: SHA-256 is {found}, expected {artifact['sha256']}")
    if all("SHA-256" in reason for reason in reasons):
        raise StepError("; ".join(reasons))
    raise TransientError("; ".join(reasons))


def fetch(box: Box, name: str, artifact: Any) -> Path:
    """The archive's file, fetched unless it is there or installed already."""
    archive = box.state / "downloads" / f"{name}-{artifact['sha256']}"
    if not archive.exists() and not box.program(name).exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        part = archive.with_name(archive.name + ".part")
        say(f"fetching {name} {artifact['version']}")
        retry(f"{name} {artifact['version']}", lambda: attempt(artifact, part))
        os.sync()  # the name says that it is complete, after a power loss too
        part.replace(archive)
    return archive


def unpack(box: Box, name: str, artifact: Any) -> None:
    """Beside, then renamed: a directory with the final name is complete."""
    target, archive = box.program(name), fetch(box, name, artifact)
    beside = target.with_name(f".{target.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        run("tar", "-xf", archive, "-C", beside, "--no-same-owner")
    except TransientError:
        archive.unlink()  # it was right when it was fetched: whatever has become of it, it is fetched anew
        raise
    run("chmod", "-R", "go=rX", beside)
    os.sync()  # the name says that it is complete, after a power loss too
    beside.rename(target)
    archive.unlink()


def install(box: Box, name: str, artifact: Any) -> None:
    """The archive's content in its place, unless it is there."""
    if not box.program(name).exists():
        retry(f"unpacking {name} {artifact['version']}", lambda: unpack(box, name, artifact), tries=2)
        say(f"{name} {artifact['version']} installed")
