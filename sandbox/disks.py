"""Data disks: sparse files, and the loop devices that make block devices of them."""

import json
import os
from pathlib import Path

from sandbox.command import run
from sandbox.hardware import HardwareError

GIB = 1 << 30


def serial(disk_id: str) -> str:
    """What the cloud gives a disk as its serial: the id without `d-` (20 characters at most)."""
    return disk_id.removeprefix("d-")[:20]


def create(image: Path, size_gib: int, snapshot: Path | None) -> None:
    """A blank disk, or one born of `snapshot`, an earlier disk's content."""
    image.parent.mkdir(parents=True, exist_ok=True)
    if snapshot is not None and snapshot.stat().st_size > size_gib * GIB:
        raise HardwareError(f"disk of {size_gib} GiB: smaller than its snapshot {snapshot}")
    with image.open("xb") as file:
        if snapshot is not None:
            copy_content(snapshot, image)
        file.truncate(size_gib * GIB)


def copy_content(source: Path, target: Path) -> None:
    """Copy what is there and leave the holes holes."""
    run("cp", "--sparse=always", "--reflink=auto", "--", str(source), str(target))


def grow(image: Path, size_gib: int) -> None:
    """Make the disk larger, and tell whoever uses it."""
    if size_gib * GIB < image.stat().st_size:
        raise HardwareError(f"{image.stem}: {size_gib} GiB is less than it has; a disk cannot shrink")
    os.truncate(image, size_gib * GIB)
    device = loop_of(image)
    if device is not None:
        run("losetup", "--set-capacity", str(device))


def loop_of(image: Path) -> Path | None:
    """The loop device behind which `image` is."""
    found = [loop for loop, backing in _loops() if backing == image]
    return found[0] if found else None


def loops_under(directory: Path) -> list[Path]:
    """The loop devices of all images under `directory`, deleted images included."""
    return [loop for loop, backing in _loops() if backing.is_relative_to(directory)]


def connect(image: Path) -> Path:
    """The loop device of `image`, made if there is none."""
    return loop_of(image) or Path(run("losetup", "--find", "--show", "--", str(image)).strip())


def disconnect(device: Path) -> None:
    """Give the loop device up; while a machine has it mounted, the kernel does so when it is unmounted."""
    run("losetup", "--detach", str(device))


def _loops() -> list[tuple[Path, Path]]:
    text = run("losetup", "--list", "--json", "--output", "NAME,BACK-FILE")
    devices = json.loads(text)["loopdevices"] if text.strip() else []
    return [(Path(device["name"]), Path((device["back-file"] or "").removesuffix(" (deleted)"))) for device in devices]
