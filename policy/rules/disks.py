"""Disks: encryption, and what happens to the data."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule, Stack, StackRule

INSTANCE: Final = "alicloud:ecs/instance:Instance"
DISK: Final = "alicloud:ecs/ecsDisk:EcsDisk"
OLD_DISK: Final = "alicloud:ecs/disk:Disk"
SNAPSHOTS: Final = "alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment"


def _inside(instance: Resource) -> Sequence[Any]:
    """The data disks that an instance declares by itself; none where they are not known yet."""
    disks = instance.inputs.get("dataDisks") or ()
    return () if disks == UNKNOWN else disks


def _system_disk_encrypted(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("systemDiskEncrypted") not in (True, UNKNOWN):
        yield "has a system disk that is not encrypted; set systemDiskEncrypted"


def _data_encrypted(resource: Resource, _: Demands) -> Iterator[str]:
    if resource.type == INSTANCE:
        for index, disk in enumerate(_inside(resource)):
            if disk != UNKNOWN and disk.get("encrypted") not in (True, UNKNOWN):
                yield f"has a data disk (number {index}) that is not encrypted; make a disk of its own, encrypted"
    elif resource.inputs.get("encrypted") not in (True, UNKNOWN):
        yield "is not encrypted; set encrypted"


def _own_key(disk: Resource, _: Demands) -> Iterator[str]:
    if not disk.inputs.get("kmsKeyId"):
        yield "is encrypted with the service's key; give dataDisk.kmsKeyId to hold (and withdraw) the key yourself"


def _outlives(resource: Resource, _: Demands) -> Iterator[str]:
    if resource.type == INSTANCE:
        if _inside(resource):
            yield "carries its data disks inside, so they go with it; make disks of their own"
    elif resource.inputs.get("deleteWithInstance") not in (False, UNKNOWN):
        yield "is deleted with the instance; set deleteWithInstance to false"


def _protected(disk: Resource, _: Demands) -> Iterator[str]:
    if not disk.protect:
        yield "is lost in a destroy, with all chats; set dataDisk.protect: true"


def _snapshots(stack: Stack) -> Iterator[tuple[str | None, str]]:
    covered = {urn for resource in stack.resources if resource.type == SNAPSHOTS for urn in resource.depends_on}
    for resource in stack.resources:
        if resource.type == DISK and resource.urn not in covered:
            yield resource.urn, "has no snapshot policy; set dataDisk.snapshots, as in {hours: [3], keepDays: 30}"


RULES: Final = (
    ResourceRule(
        id="system-disk-encrypted",
        level=Level.MANDATORY,
        title="The system disk is encrypted",
        why="Logs and images lie there; it cannot be changed later without a new instance.",
        covers=("Prowler ecs_attached_disk_encrypted", "CIS 4.2"),
        beyond="seen before it is made; Checkov and KICS do not look at an instance's system disk",
        types=frozenset({INSTANCE}),
        check=_system_disk_encrypted,
    ),
    ResourceRule(
        id="data-disk-encrypted",
        level=Level.MANDATORY,
        title="Every data disk is encrypted",
        why="Chats, uploads and password hashes lie there, and in its snapshots.",
        covers=(
            "CKV_ALI_7",
            "KICS 39750e32",
            "Prowler ecs_attached_disk_encrypted",
            "Prowler ecs_unattached_disk_encrypted",
            "CIS 4.1",
            "CIS 4.2",
        ),
        beyond="`ecs.EcsDisk` (the scanners know only the older `ecs.Disk`) and disks inside an instance",
        types=frozenset({DISK, OLD_DISK, INSTANCE}),
        check=_data_encrypted,
    ),
    ResourceRule(
        id="data-disk-own-key",
        level=Level.ADVISORY,
        title="The data disk is encrypted with a KMS key of yours",
        why="A key of your own can be audited, rotated and withdrawn.",
        covers=("CKV_ALI_8", "KICS f262118c"),
        beyond="`ecs.EcsDisk`",
        types=frozenset({DISK, OLD_DISK}),
        check=_own_key,
    ),
    ResourceRule(
        id="data-outlives-instance",
        level=Level.MANDATORY,
        title="Data lies on a disk that outlives the instance",
        why="Image, zone and type changes may replace the instance.",
        beyond="no list has it",
        types=frozenset({DISK, OLD_DISK, INSTANCE}),
        check=_outlives,
    ),
    ResourceRule(
        id="data-disk-protected",
        level=Level.ADVISORY,
        title="The data disk is protected against destroy",
        why="`pulumi destroy` in the wrong stack is one keystroke away.",
        beyond="no list has it",
        types=frozenset({DISK, OLD_DISK}),
        check=_protected,
    ),
    StackRule(
        id="data-disk-snapshots",
        level=Level.ADVISORY,
        title="The data disk has a snapshot policy",
        why="Nothing else brings back a deleted chat or a bad upgrade.",
        beyond="no list has it",
        check=_snapshots,
    ),
)
