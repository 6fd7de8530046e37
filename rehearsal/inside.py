"""What goes on inside the machine, seen and touched from the host: no command on the machine is as fast."""

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rehearsal.box import Box
from rehearsal.scenario import expect
from sandbox.machine import cgroups, leader

OLLAMA = "owbox-ollama.service"
OPEN_WEBUI = "docker-*.scope"  # its container; the unit itself is Docker's client
CADDY = "owbox-caddy.service"


def pids(box: Box, unit: str) -> list[int]:
    """The processes of a unit of systemd's (a pattern), by the host's numbers; none where it does not run."""
    found: dict[int, None] = {}
    for tree in cgroups(box.session.name):
        for procs in tree.glob(f"{box.instance_id}/payload/system.slice/{unit}/cgroup.procs"):
            with suppress(OSError):  # it ended meanwhile
                found |= dict.fromkeys(map(int, procs.read_text().split()))
    return list(found)


def commands(box: Box, unit: str) -> list[str]:
    """The command lines of a unit's processes."""
    return [_command(pid) for pid in pids(box, unit)]


def root(box: Box) -> Path:
    """The machine's files, mounts included, while it runs; a path that is not there while it does not."""
    return Path(f"/proc/{leader(box.store, box.instance_id) or 'none'}/root")


def freeze_when(box: Box, unit: str, seen: Callable[[], object], deadline_s: float) -> None:
    """Stop all processes of a unit at the moment at which `seen` holds, so that it stays in the middle of its work."""
    deadline = time.monotonic() + deadline_s
    while not (pids(box, unit) and seen()):
        expect(time.monotonic() < deadline, f"{unit} was not seen in the middle of its work within {deadline_s:g} s")
        time.sleep(0.001)
    expect(freeze(pids(box, unit)), f"{unit} ended before it could be interrupted: the scenario shows nothing")


def freeze(processes: list[int]) -> list[int]:
    """Stop processes where they are; those that were still there."""
    return [pid for pid in processes if _signal(pid, signal.SIGSTOP)]


def model_runners(box: Box) -> list[int]:
    """The processes in which Ollama runs its models."""
    return [pid for pid in pids(box, OLLAMA) if "llama-server" in _command(pid)]


def forget_peak(box: Box) -> None:
    """Let the peaks of memory begin now (proc(5), clear_refs: 5)."""
    for unit in (OLLAMA, OPEN_WEBUI, CADDY):
        for pid in pids(box, unit):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(box: Box, unit: str) -> int:
    """The sum of the most that each process of a unit had in memory since `forget_peak`, MiB."""
    return sum(_field(pid, "VmHWM") for pid in pids(box, unit)) >> 10


def files_left(box: Box, unit: str) -> int:
    """How many files a unit's processes may open besides those that they have open; of the one with fewest."""
    return min(
        resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] - len(list(Path(f"/proc/{pid}/fd").iterdir()))
        for pid in pids(box, unit)
    )


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return ""


def _field(pid: int, name: str) -> int:
    """A figure of /proc/PID/status, kB; 0 where the process is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
    return 0


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
