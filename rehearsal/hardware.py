"""What is done to the machine's disks while it is off."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.box import Box
from sandbox.disks import GIB
from sandbox.hardware import MachineSpec


def new_system_disk(box: Box) -> None:
    """What the cloud gives a replaced instance: a system disk made of the image, the user-data it was asked with."""
    known = box.store.read_machine(box.instance_id)
    if known is None:
        raise RuntimeError(f"{box.instance_id} is unknown")
    fields = known.model_dump(include={"hostname", "region_id", "zone_id", "instance_type", "image_id", "private_ip"})
    user_data = box.store.user_data(box.instance_id).read_bytes()
    box.region.replace_system_disk(MachineSpec(instance_id=box.instance_id, user_data=user_data, **fields))


@contextmanager
def images_kept(box: Box) -> Iterator[None]:
    """What Docker has pulled outlives a new system disk: pulling the image again is the subject of few scenarios."""
    docker = box.store.machine(box.instance_id) / "docker"
    aside = docker.with_name("images")
    docker.rename(aside)
    yield
    shutil.rmtree(docker)
    aside.rename(docker)


def no_images(box: Box) -> None:
    """Docker's store, as new: the image will be pulled."""
    for entry in (box.store.machine(box.instance_id) / "docker").iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def blank_disk(box: Box) -> None:
    """The data disk, as new."""
    box.release_connection()
    box.disk_image.unlink()
    with box.disk_image.open("xb") as file:
        file.truncate(box.size_gib * GIB)
