"""Acting on a running machine from outside: commands (Cloud Assistant), a shell, its journal, hot-plugged disks."""

import os
import stat
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from sandbox import disks
from sandbox.command import run, succeeds
from sandbox.guest_files import write_udev_rules
from sandbox.hardware import CommandResult, HardwareError
from sandbox.machine import is_on, leader
from sandbox.process import await_condition
from sandbox.state import Store

AGENT_DEADLINE_S = 60.0  # until the machine can run commands at all
HOTPLUG_DEADLINE_S = 30.0
POLL_S = 0.2
INTERRUPTED = -2  # the machine went down under the command, or nobody waits for it any more
TIMED_OUT = 124  # as timeout(1) says it
OUTPUT_LIMIT = 24 * 1024  # bytes of output that Cloud Assistant keeps, the last ones


def enter(store: Store, instance_id: str) -> list[str]:
    """The command prefix that runs the rest inside the machine."""
    first = leader(store, instance_id)
    if first is None:
        raise HardwareError(f"{instance_id} is not running: nothing can be run on it")
    return ["nsenter", "--target", str(first), "--all", "--"]


def run_command(
    store: Store, instance_id: str, content: bytes, timeout_s: int, interrupted: threading.Event
) -> CommandResult:
    """Run a script as root, as Cloud Assistant does: from a file, in /root, in a unit of its own.

    The unit is the machine's, so it is stopped with everything it started when the time is over. Once `interrupted`
    is set, it is not waited for: it goes on by itself, as in the cloud.
    """
    _await_agent(store, instance_id, interrupted)
    first, prefix = leader(store, instance_id), enter(store, instance_id)
    name = f"cloud-assistant-{uuid.uuid4().hex[:12]}"
    script, log = (Path(f"/proc/{first}/root/run/{name}.{kind}") for kind in ("sh", "log"))
    script.write_bytes(content)
    script.chmod(0o700)
    started = time.monotonic()
    command = [
        *(*prefix, "systemd-run", "--quiet", "--wait", "--collect", f"--unit={name}"),
        *("-p", "WorkingDirectory=/root", "-p", f"RuntimeMaxSec={timeout_s}", "-p", "TimeoutStopSec=5"),
        # Into a file: a pipe would end with the one who waits, and the script at its next word.
        *("-p", f"StandardOutput=file:/run/{name}.log", "-p", "StandardError=inherit"),
        *(() if content.startswith(b"#!") else ("/bin/sh",)),
        f"/run/{name}.sh",
    ]
    with log.open("w+b") as printed:  # held open, it can be read also when the machine has rebooted
        code, complaint = _wait(command, interrupted)
        output = (_tail(printed) or complaint).decode(errors="replace")
    # For systemd-run a unit that was stopped did well.
    if code is None or leader(store, instance_id) != first or _stopping(prefix):
        return CommandResult(exit_code=INTERRUPTED, output=output)
    script.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    over = time.monotonic() - started >= timeout_s and code != 0
    return CommandResult(exit_code=TIMED_OUT if over else code, output=output)


def _await_agent(store: Store, instance_id: str, interrupted: threading.Event) -> None:
    def settled() -> bool:
        return interrupted.is_set() or not is_on(store, instance_id) or _agent_runs(store, instance_id)

    settled_in_time = await_condition(settled, AGENT_DEADLINE_S)
    if not is_on(store, instance_id):
        raise HardwareError(f"{instance_id} is not running: Cloud Assistant cannot run a command on it")
    if interrupted.is_set():
        raise HardwareError(f"{instance_id}: interrupted before the command began")
    if not settled_in_time:
        raise HardwareError(f"{instance_id}: its Cloud Assistant did not come up in {AGENT_DEADLINE_S:.0f} s")


def _wait(command: Sequence[str], interrupted: threading.Event) -> tuple[int | None, bytes]:
    """The exit status of `command`, None if interrupted before its end; and what it says itself."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the engine, which then says what is to be interrupted
    ) as client:
        while not interrupted.is_set():
            try:
                said, _ = client.communicate(timeout=POLL_S)
            except subprocess.TimeoutExpired:
                continue
            return client.returncode, said
        client.kill()
    return None, b""


def _tail(printed: BinaryIO) -> bytes:
    printed.seek(max(0, printed.seek(0, SEEK_END) - OUTPUT_LIMIT))
    return printed.read()


def _stopping(prefix: Sequence[str]) -> bool:
    """Whether the machine is shutting down, or gone."""
    state = subprocess.run([*prefix, "systemctl", "is-system-running"], capture_output=True, text=True, check=False)
    return state.stdout.strip() in {"stopping", ""}


def shell(store: Store, instance_id: str) -> int:
    """An interactive login shell inside the machine; its exit status."""
    environment = ["env", "-i", f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root"]
    return subprocess.run([*enter(store, instance_id), *environment, "/bin/bash", "--login"], check=False).returncode


def journal(store: Store, instance_id: str, lines: int) -> str:
    """The end of the machine's journal; of a machine that is off, the end of what its disk holds."""
    options = ["--no-pager", "--output=short-precise", f"--lines={lines}"]
    if leader(store, instance_id) is not None:
        return run(*enter(store, instance_id), "journalctl", *options)
    kept = store.machine(instance_id) / "system" / "upper" / "var" / "log" / "journal"
    if kept.is_dir():
        return run("journalctl", f"--directory={kept}", *options)
    return ""


def plug(store: Store, instance_id: str, device: Path) -> None:
    """Make `device` appear in the running machine: the node, and by udev the links of its serial."""
    first = leader(store, instance_id)
    if first is None:
        return  # bound at the next start
    _await_udev(first, instance_id)
    refresh_rules(store, instance_id)
    node = Path(f"/proc/{first}/root{device}")
    if not node.exists():
        os.mknod(node, 0o660 | stat.S_IFBLK, device.stat().st_rdev)
    _udev(store, instance_id, "add", device)


def unplug(store: Store, instance_id: str, device: Path) -> None:
    """Take `device` from the running machine, as the cloud does: also from under a file system."""
    first = leader(store, instance_id)
    if first is None:
        return
    _await_udev(first, instance_id)
    os.sync()  # what the machine wrote is on the disk that it loses
    refresh_rules(store, instance_id)  # before the event: giving the loop device up is one more
    _udev(store, instance_id, "remove", device)
    Path(f"/proc/{first}/root{device}").unlink(missing_ok=True)


@contextmanager
def held_still(store: Store, instance_id: str | None, device: Path | None) -> Iterator[None]:
    """The file system on `device` is whole on the disk meanwhile, and whoever writes to it waits."""
    target = None if instance_id is None or device is None else _mount_of(store, instance_id, device)
    if instance_id is None or target is None:
        yield
        return
    prefix = enter(store, instance_id)
    run(*prefix, "fsfreeze", "--freeze", target)
    try:
        yield
    finally:
        run(*prefix, "fsfreeze", "--unfreeze", target)


def _mount_of(store: Store, instance_id: str, device: Path) -> str | None:
    """Where the running machine has `device` mounted."""
    if leader(store, instance_id) is None:
        return None
    mounts = map(str.split, run(*enter(store, instance_id), "cat", "/proc/mounts").splitlines())
    return next((target for source, target, *_ in mounts if source == str(device)), None)


def refresh_rules(store: Store, instance_id: str) -> None:
    """Bring the machine's udev rules in line with the disks that are attached."""
    serials = {}
    for disk in store.disks_of(instance_id):
        device = disks.loop_of(store.disk_image(disk.disk_id))
        if device is not None:
            serials[device.name] = disks.serial(disk.disk_id)
    write_udev_rules(store, instance_id, serials)


def _udev(store: Store, instance_id: str, action: str, device: Path) -> None:
    prefix = enter(store, instance_id)
    run(*prefix, "udevadm", "control", "--reload")
    run(*prefix, "udevadm", "trigger", "--settle", f"--action={action}", f"/sys/class/block/{device.name}")


def _await_udev(first: int, instance_id: str) -> None:
    control = Path(f"/proc/{first}/root/run/udev/control")
    if not await_condition(control.is_socket, HOTPLUG_DEADLINE_S):
        raise HardwareError(f"{instance_id}: udev does not run on it, so it notices no disk; see its console.log")


def _agent_runs(store: Store, instance_id: str) -> bool:
    """Whether the machine can run commands: not before its D-Bus, and not in the middle of a reboot."""
    first = leader(store, instance_id)
    ready = ["nsenter", "--target", str(first), "--all", "--", "systemctl", "--quiet", "is-active", "dbus.socket"]
    return first is not None and succeeds(*ready)
