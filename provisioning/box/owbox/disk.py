"""The data disk: found by its id, formatted only where blank, grown, mounted, and never taken for another one."""

import json
import secrets
from pathlib import Path

from owbox import cloud, database
from owbox.base import Box, StepError, TransientError, noted, run, say, succeeds, wait_for, write

LABEL = "open-webui"
ATTACHED_S = 600  # how long the cloud may take to attach it after the boot


def device_of(box: Box, disk_id: str) -> Path | None:
    """Where the disk appears: virtio, or NVMe on the newest families; the serial is the id without `d-`."""
    serial, folder = disk_id.removeprefix("d-"), box.root / "dev/disk/by-id"
    return next((path for name in (f"virtio-{serial}", f"nvme-*_{serial}") for path in folder.glob(name)), None)


def named_disk(box: Box, known: dict[str, str]) -> str:
    """The disk that the stack names. A disk used before serves while the parameter store cannot be asked."""
    name = box.spec["secrets"]["data_disk"]
    if not known:
        return cloud.wait_for_parameter(box, name).strip()
    try:
        return cloud.wait_for_parameter(box, name, seconds=5).strip()
    except StepError as error:
        say(f"{error}: going on with {known['id']}")
        return known["id"]


def signatures(device: Path) -> list[str]:
    """Everything that any tool would recognise on it: file systems, partition tables, LVM, RAID, swap."""
    return [line.split()[-1] for line in run("wipefs", "--noheadings", "--output", "TYPE", device).splitlines()]


def prepare(device: Path, *, used_before: bool) -> str:
    """Format a blank disk, refuse a foreign one, return the UUID of ours."""
    found = signatures(device)
    if not found and used_before:
        raise StepError(f"{device} held this box's data and is blank now: left untouched. Restore a snapshot.")
    if not found:
        say(f"{device} is blank: making a file system")
        run("mkfs.ext4", "-q", "-L", LABEL, device)
        run("udevadm", "settle")
    elif found != ["ext4"] or (label := run("blkid", "-p", "-o", "value", "-s", "LABEL", device).strip()) != LABEL:
        what = " ".join(found) + (f" labelled {label!r}" if found == ["ext4"] else "")
        raise StepError(f"{device} holds {what}, not this box's file system: left untouched. Attach a blank disk.")
    return run("blkid", "-p", "-o", "value", "-s", "UUID", device).strip()


def mounted_uuid(box: Box) -> str | None:
    """The UUID of what is mounted on the data directory now."""
    if not succeeds("findmnt", "--mountpoint", box.data):
        return None
    return run("findmnt", "-n", "-o", "UUID", "--mountpoint", box.data).strip()


def mount(box: Box, uuid: str) -> None:
    box.data.mkdir(parents=True, exist_ok=True)
    run("mount", "-o", "noatime,nosuid,nodev", f"UUID={uuid}", box.data)


def unmount(box: Box) -> None:
    """Whoever runs this starts the services again."""
    run("systemctl", "stop", "owbox-open-webui", "owbox-ollama", "owbox-caddy")
    run("umount", box.data)


def disk(box: Box) -> None:
    memory = box.state / "disk.json"
    known = noted(memory)
    disk_id = named_disk(box, known)
    if known and known["id"] != disk_id:
        say(f"the stack names disk {disk_id}, this box has used {known['id']}: changing over")
    found = wait_for(f"disk {disk_id} to be attached", ATTACHED_S, lambda: device_of(box, disk_id))
    uuid, here = prepare(found, used_before=known.get("id") == disk_id), mounted_uuid(box)
    if here not in (None, uuid):
        unmount(box)
        here = None
    if here is None:
        mount(box, uuid)
    try:
        run("resize2fs", found)  # after a resize of the disk; else it changes nothing
    except TransientError as error:
        say(f"{error}: growing it unmounted; the services are away for a moment")
        unmount(box)
        run("e2fsck", "-f", "-p", found)
        run("resize2fs", found)
        mount(box, uuid)
    write(memory, json.dumps({"id": disk_id, "uuid": uuid}))
    for name, owner, mode in (
        ("open-webui", "root", "700"),
        ("ollama", "ollama", "750"),
        ("caddy", "owbox-caddy", "700"),
        ("backups", "root", "700"),
    ):
        run("install", "-d", "-o", owner, "-g", owner, "-m", mode, box.data / name)
    key = box.data / "secret-key"
    if not key.exists():  # signs people's sessions: made once, and outlives machine and release
        write(key, secrets.token_hex(32), 0o400)
    database.obey(box)
    say(f"{disk_id} is mounted at {box.data}")
