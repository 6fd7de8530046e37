"""An ECS instance: systemd in a container of its own, on an overlay of the image, in a network namespace.

The flags are those of the measurements in `facts/rehearsal.md` section 3; each is needed. CAP_NET_ADMIN is the
only capability added: with all of them, a machine could set the host's clock.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import sandbox
from sandbox import disks
from sandbox.command import run
from sandbox.guest_files import lay_out, lay_out_udev
from sandbox.hardware import HardwareError
from sandbox.network import machine_namespace, namespace_path
from sandbox.process import Process, await_condition, pids_in, read_process, start_detached
from sandbox.state import Machine, Record, RegionRecord, Store, read, write

NSPAWN_ENVIRONMENT = {
    "SYSTEMD_SECCOMP": "0",  # its filter refuses what Docker needs
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",  # udev runs only where /sys is writable
}
REBOOT = 133  # nspawn's exit status when the machine asked for a restart
POWER_OFF = signal.SIGRTMIN + 4  # systemd's, for PID 1
RESTART = signal.SIGRTMIN + 5
STOP_DEADLINE_S = 120.0  # Open WebUI alone may take 60
START_DEADLINE_S = 30.0


class Power(Record):
    """The processes of a machine that is on: the one that restarts it after a reboot, and nspawn."""

    runner: Process
    nspawn: Process


def nspawn_command(store: Store, region: RegionRecord, machine: Machine, loops: list[Path]) -> list[str]:
    """How the machine is started. `nsenter --net`, because with nspawn's own option /sys shows the host's links."""
    directory = store.machine(machine.instance_id)
    return [
        "nsenter",
        f"--net={namespace_path(machine_namespace(region.name, machine.instance_id))}",
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={directory / 'root'}",
        "--register=no",
        "--keep-unit",
        f"--machine={machine.instance_id}",
        f"--hostname={machine.hostname}",
        "--console=pipe",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        f"--bind={directory / 'docker'}:/var/lib/docker",  # overlay2 does not work on an overlay
        f"--bind={directory / 'udev'}:/run/udev",
        *(f"--bind={device}" for device in loops),
    ]


def new_system_disk(store: Store, region: RegionRecord, machine: Machine) -> None:
    """A blank upper layer over the image, with what the machine gets from outside."""
    directory = store.machine(machine.instance_id)
    for part in ("system", "docker"):
        shutil.rmtree(directory / part, ignore_errors=True)
    for part in ("system/upper", "system/work", "docker", "root"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    (directory / "docker").chmod(0o710)
    lay_out(store, machine, region.sources.apt_archives)
    (directory / "system" / "new").touch()


def run_machine(store: Store, instance_id: str) -> None:
    """Be the machine's power: start it, and again after each reboot, until it is switched off.

    Runs in a process and a mount namespace of its own, so that no mount is left when it is killed.
    """
    region, machine = store.read_region(), store.read_machine(instance_id)
    if region is None or machine is None:
        raise HardwareError(f"{instance_id}: no record of it under {store.directory}")
    _own_cgroup(region.name, instance_id)
    directory = store.machine(instance_id)
    layers = f"lowerdir={region.sources.root},upperdir={directory}/system/upper,workdir={directory}/system/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(directory / "root"))
    if (directory / "system" / "new").exists():
        run("chroot", str(directory / "root"), "update-ca-certificates")
        (directory / "system" / "new").unlink()
    code = REBOOT
    while code == REBOOT:
        loops = {disk.disk_id: disks.connect(store.disk_image(disk.disk_id)) for disk in store.disks_of(instance_id)}
        lay_out_udev(store, instance_id, {loop.name: disks.serial(disk) for disk, loop in loops.items()})
        command = nspawn_command(store, region, machine, list(loops.values()))
        with (directory / "console.log").open("ab") as console:
            nspawn = subprocess.Popen(
                command,
                env=os.environ | NSPAWN_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        power = Power(runner=read_process(os.getpid()), nspawn=read_process(nspawn.pid))
        write(directory / "power.json", power)
        code = nspawn.wait()


def leader(store: Store, instance_id: str) -> int | None:
    """The host's process id of the machine's PID 1; None while it is off (or between two boots)."""
    power = read(store.machine(instance_id) / "power.json", Power)
    if power is None or not power.nspawn.alive():
        return None
    children = Path(f"/proc/{power.nspawn.pid}/task/{power.nspawn.pid}/children")
    for child in children.read_text().split() if children.exists() else ():
        # nspawn creates /run/host before it gives way to systemd; until then, the child sees the host's root.
        if _is_first_in_its_namespace(int(child)) and Path(f"/proc/{child}/root/run/host").is_dir():
            return int(child)
    return None


def is_on(store: Store, instance_id: str) -> bool:
    """Whether the machine is powered, be it in the middle of a reboot."""
    power = read(store.machine(instance_id) / "power.json", Power)
    return power is not None and power.runner.alive()


def power_on(store: Store, region: RegionRecord, instance_id: str) -> None:
    """Start the machine in the background; it outlives the caller. Returns when its PID 1 is there."""
    directory = store.machine(instance_id)
    namespace = namespace_path(machine_namespace(region.name, instance_id))
    supervisor = [sys.executable, "-m", "sandbox.supervisor", "machine", str(store.directory), instance_id]
    start_detached(
        ["unshare", "--mount", "--propagation=slave", "nsenter", f"--net={namespace}", *supervisor],
        log=directory / "runner.log",
        cwd=Path(sandbox.__file__).parent.parent,
    )
    if not await_condition(lambda: leader(store, instance_id) is not None, START_DEADLINE_S):
        raise HardwareError(
            f"{instance_id} did not start within {START_DEADLINE_S:.0f} s: "
            f"{_tail(directory / 'runner.log')}{_tail(directory / 'console.log')}"
        )


def power_off(store: Store, region: RegionRecord, instance_id: str) -> None:
    """Shut down cleanly, hard after a deadline."""
    first = leader(store, instance_id)
    if first is not None:
        os.kill(first, POWER_OFF)
        await_condition(lambda: not is_on(store, instance_id), STOP_DEADLINE_S)
    hard_kill(region, instance_id)


def reboot(store: Store, instance_id: str) -> None:
    """Restart cleanly. Returns when the machine has a new PID 1."""
    first = leader(store, instance_id)
    if first is None:
        raise HardwareError(f"{instance_id} is not running: it cannot be rebooted")
    os.kill(first, RESTART)
    if not await_condition(lambda: leader(store, instance_id) not in {None, first}, STOP_DEADLINE_S):
        raise HardwareError(f"{instance_id} did not come back within {STOP_DEADLINE_S:.0f} s of a reboot")


def hard_kill(region: RegionRecord, instance_id: str) -> None:
    """Take the power away: no process of the machine gets to do anything. What it wrote stays."""
    namespace = namespace_path(machine_namespace(region.name, instance_id))
    kill_all_in(namespace)


def kill_all_in(namespace: Path) -> None:
    """Kill every process whose network namespace is `namespace`, and wait until none is left.

    The oldest goes first: of a machine that is the runner, which would start it again.
    """

    def none_left() -> bool:
        pids = pids_in(namespace)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not pids

    if not await_condition(none_left, START_DEADLINE_S):
        raise HardwareError(f"processes in {namespace} survive SIGKILL: {pids_in(namespace)}")


def forget_cgroups(name: str) -> None:
    """Remove the control groups of sandbox `name`. A group is busy until the kernel is done with its last process."""

    def removed() -> bool:
        try:
            for group in cgroups(name):
                for directory in sorted(group.glob("**/"), key=lambda path: -len(path.parts)):
                    directory.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    if not await_condition(removed, START_DEADLINE_S):
        raise HardwareError(f"still in use: {', '.join(map(str, cgroups(name)))}")


def cgroups(name: str) -> list[Path]:
    """The control groups of sandbox `name` that exist."""
    return [tree / _cgroup(name) for tree in _cgroup_trees() if (tree / _cgroup(name)).exists()]


def _own_cgroup(name: str, instance_id: str) -> None:
    """Two machines must not share the group in which nspawn puts their payload."""
    for tree in _cgroup_trees():
        group = tree / _cgroup(name) / instance_id
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _cgroup(name: str) -> str:
    return f"open-webui-sandbox-{name}"


def _cgroup_trees() -> list[Path]:
    """Where systemd's groups are: one tree on a v2 host, two on a hybrid one."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top]
    return [tree for tree in (top / "unified", top / "systemd") if tree.is_dir()]


def _is_first_in_its_namespace(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


def _tail(path: Path, size: int = 2000) -> str:
    return path.read_text(errors="replace")[-size:] if path.exists() else ""
