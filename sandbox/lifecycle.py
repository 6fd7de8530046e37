"""Starting the services of a sandbox, and taking away everything that a sandbox has on the host."""

import os
import shutil
import signal
import sys
from pathlib import Path

import sandbox
from sandbox import disks, network
from sandbox.command import run
from sandbox.hardware import HardwareError
from sandbox.machine import cgroups, forget_cgroups, kill_all_in
from sandbox.process import Process, await_condition, pids_in, read_process, start_detached
from sandbox.state import RegionRecord, Store, read

STATE = Path("/var/lib/open-webui-sandbox")
SERVICES_DEADLINE_S = 60.0
MEMORY_FOR_DISKS = 10 << 30  # bytes, at most; what is not written is not taken


def demand_root() -> None:
    """Refuse who cannot do any of this."""
    if os.geteuid() != 0:
        raise HardwareError(
            "a sandbox needs root (it makes namespaces, mounts and loop devices): the same command with sudo"
        )


def refuse_other_parts(store: Store, record: RegionRecord) -> None:
    """An overlay does not survive a change of what lies below it, nor a registry one of its storage."""
    known = store.read_region()
    if known is not None and known.sources != record.sources:
        now = record.sources.model_dump()
        differ = [name for name, value in known.sources.model_dump().items() if value != now[name]]
        raise HardwareError(
            f"sandbox {record.name} was made of other parts than those built now ({', '.join(differ)}): "
            f"take it down (python -m ops sandbox down --name {record.name}) and up again"
        )


def keep_machines_in_memory(store: Store) -> None:
    """System disks on a tmpfs, where the host has the memory: an image is unpacked four times as fast."""
    store.machines.mkdir(exist_ok=True)
    if not store.machines.is_mount() and _available_memory() >= MEMORY_FOR_DISKS and not any(store.machines.iterdir()):
        options = f"mode=0700,size={MEMORY_FOR_DISKS}"
        run("mount", "-t", "tmpfs", "-o", options, "open-webui-sandbox", str(store.machines))


def remove(name: str, state_dir: Path | None = None) -> None:
    """Take sandbox `name` away, whatever is left of it; a second time does nothing. Root only."""
    demand_root()
    store = Store(state_dir or STATE / name)
    for process in _services(store):
        os.kill(process.pid, signal.SIGKILL)
    for namespace in network.namespaces(name):
        kill_all_in(network.namespace_path(namespace))
    for device in disks.loops_under(store.directory):
        disks.disconnect(device)
    network.remove_region(name)
    forget_cgroups(name)
    if store.machines.is_mount():
        run("umount", str(store.machines))
    if store.directory.exists():
        shutil.rmtree(store.directory)


def leftovers(name: str, state_dir: Path | None = None) -> list[str]:
    """What there is on the host of sandbox `name`, one line each; empty after `down`."""
    store = Store(state_dir or STATE / name)
    found = [f"namespace {namespace}" for namespace in network.namespaces(name)]
    for namespace in network.namespaces(name):
        found += [f"process {pid} in {namespace}" for pid in pids_in(network.namespace_path(namespace))]
    found += [f"process {process.pid} (services)" for process in _services(store)]
    found += [f"loop device {device}" for device in disks.loops_under(store.directory)]
    found += [
        f"mount {line.split()[1]}"
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if Path(line.split()[1]).is_relative_to(store.directory)
    ]
    index = network.slot_of(name)
    found += [f"link {network.Ranges(index).link}"] if index is not None else []
    found += [f"control group {group}" for group in cgroups(name)]
    found += [f"directory {store.directory}"] if store.directory.exists() else []
    return found


def start_services(store: Store, name: str) -> None:
    """Start what boxes call, unless it runs; returns when all of it answers."""
    if _services(store):
        return
    kill_all_in(network.namespace_path(network.region_namespace(name)))  # servers that outlived a killed supervisor
    store.services.unlink(missing_ok=True)
    start_detached(
        [sys.executable, "-m", "sandbox.supervisor", "services", str(store.directory)],
        log=store.log / "services.log",
        cwd=Path(sandbox.__file__).parent.parent,
    )

    def ready() -> bool:
        process = read(store.services, Process)
        return process is not None and process.alive()

    def settled() -> bool:
        return ready() or not _services(store)

    await_condition(lambda: bool(_services(store)), SERVICES_DEADLINE_S)
    await_condition(settled, SERVICES_DEADLINE_S)
    if not ready():
        log = (store.log / "services.log").read_text(errors="replace")
        raise HardwareError(f"the region's services did not start: {log[-2000:]}")


def _available_memory() -> int:
    """Bytes that the host can give without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _services(store: Store) -> list[Process]:
    """The services' processes, found by their command line: also one that did not get to write its record."""
    wanted = [b"sandbox.supervisor", b"services", str(store.directory).encode()]
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().split(b"\0")[2:5] == wanted:
                found.append(read_process(int(entry.name)))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [process for process in found if process.alive()]
