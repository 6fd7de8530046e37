"""Processes that outlive their starter, told from later ones with the same number by their start time."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.state import Record

POLL_S = 0.05


class Process(Record):
    """A process; `started` is in clock ticks since the host's boot (field 22 of /proc/PID/stat)."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process runs (a zombie does not)."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[19]) == self.started and fields[0] not in "ZX"


def read_process(pid: int) -> Process:
    """The running process `pid`."""
    fields = _stat(pid)
    if fields is None:
        raise ProcessLookupError(pid)
    return Process(pid=pid, started=int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def pids_in(namespace: Path) -> list[int]:
    """The processes whose network namespace is the file `namespace`, oldest first."""
    if not namespace.exists():
        return []
    wanted = namespace.stat()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            there = (entry / "ns" / "net").stat()
            started = read_process(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino) and started.alive():
            found.append(started)
    return [process.pid for process in sorted(found, key=lambda process: (process.started, process.pid))]


def start_detached(command: list[str], log: Path, cwd: Path) -> None:
    """Start `command` in a session of its own, not as a child of the caller, so that Ctrl-C does not reach it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )


def await_condition(condition: Callable[[], bool], deadline_s: float) -> bool:
    """Poll until `condition` holds (True) or the deadline is over (False)."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_S)
    return True
