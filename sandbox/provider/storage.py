"""Data disk, its attachment, and automatic snapshots."""

from pathlib import Path

from sandbox.provider.cloud import Cloud, now
from sandbox.provider.errors import CloudError
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, modify
from sandbox.provider.network import INSTANCE
from sandbox.provider.store import new_id
from sandbox.provider.values import Props

DISK = "alicloud:ecs/ecsDisk:EcsDisk"
ATTACHMENT = "alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment"
SNAPSHOT_POLICY = "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy"
SNAPSHOT_ATTACHMENT = "alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment"

# GiB, from the SDK's page of EcsDisk: `size`
_SIZES = {
    "cloud": (5, 2000),
    "cloud_efficiency": (20, 32768),
    "cloud_ssd": (20, 32768),
    "cloud_auto": (1, 65536),
    "cloud_essd_entry": (10, 32768),
    "elastic_ephemeral_disk_standard": (64, 8192),
    "elastic_ephemeral_disk_premium": (64, 8192),
    "PL0": (1, 65536),
    "PL1": (20, 65536),
    "PL2": (461, 65536),
    "PL3": (1261, 65536),
}


def _check_size(props: Props) -> None:
    if "size" not in props and "snapshotId" not in props:
        raise CloudError("InvalidDataDiskSize.ValueNotSupported", "The size of the disk is not specified.")
    category = props.get("category", "cloud_efficiency")
    kind = props.get("performanceLevel", "PL1") if category == "cloud_essd" else category
    low, high = _SIZES[kind]
    if not low <= props.get("size", low) <= high:
        raise CloudError("InvalidDataDiskSize.ValueNotSupported", f"{props['size']} GiB: {kind} takes {low} to {high}.")


def snapshot_file(cloud: Cloud, snapshot_id: str) -> Path:
    """Where the content of a snapshot lies; it is there once it has been taken."""
    return cloud.directory / "snapshots" / f"{snapshot_id}.img"


def take_snapshot(cloud: Cloud, disk_id: str) -> str:
    """Take a snapshot of a disk, as an automatic policy or a person at the console does; its id."""
    with cloud.call("CreateSnapshot", {}, subject=disk_id) as inventory:
        disk = existing(inventory, DISK, disk_id)
    id_ = new_id("s", disk["regionId"])
    target = snapshot_file(cloud, id_)
    target.parent.mkdir(exist_ok=True)
    half = target.with_suffix(".half")
    if cloud.hardware is None:
        half.touch()
    else:
        with cloud.blame("CreateSnapshot"):
            cloud.hardware.snapshot_disk(disk_id, half)
    half.replace(target)
    return id_


def _create_disk(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateDisk", props, subject=str(props.get("diskName", ""))) as inventory:
        check_tags(props)
        _check_size(props)
        if props.get("kmsKeyId") and not props.get("encrypted"):
            raise CloudError("InvalidParameter.KMSKeyId", "A KMS key needs an encrypted disk.")
        zone = props.get("zoneId") or props.get("availabilityZone", "")
        if zone and not zone.startswith(cloud.region_id):
            raise CloudError("InvalidZoneId.NotFound", f"No zone {zone!r} in region {cloud.region_id}.")
        source = snapshot_file(cloud, props["snapshotId"]) if props.get("snapshotId") else None
        if source is not None and not source.exists():
            raise CloudError("InvalidSnapshotId.NotFound", f"No snapshot {props['snapshotId']!r} in {source}.")
        id_ = new_id("d", cloud.region_id)
        defaults = {
            "category": "cloud_efficiency",
            "deleteAutoSnapshot": False,
            "deleteWithInstance": False,
            "encrypted": False,
            "instanceId": "",
            "paymentType": "PayAsYouGo",
            "zoneId": zone,
        }
        made = {"status": "Available", "regionId": cloud.region_id, "createTime": now()}
        inventory.put(DISK, id_, {**defaults, **made, **props})
        if cloud.hardware is not None:
            cloud.hardware.create_disk(id_, props.get("size", 20), source)
    return id_


def _update_disk(cloud: Cloud, change: Change) -> None:
    inputs = change.inputs
    if "size" in change.changed:
        with cloud.call("ResizeDisk", inputs, subject=change.id) as inventory:
            disk = existing(inventory, DISK, change.id)
            _check_size(inputs)
            if inputs["size"] < disk["size"]:
                raise CloudError(
                    "InvalidDiskSize.TooSmall", f"{inputs['size']} GiB is less than the disk's {disk['size']}."
                )
            disk["size"] = inputs["size"]
            if cloud.hardware is not None:
                cloud.hardware.resize_disk(change.id, inputs["size"])
    if change.changed - {"size"}:
        action = "ModifyDiskSpec" if change.changed & {"category", "performanceLevel"} else "ModifyDiskAttribute"
        with cloud.call(action, inputs, subject=change.id) as inventory:
            check_tags(inputs)
            _check_size(inputs)
            apply(inventory, DISK, change)


def _delete_disk(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteDisk", {}, subject=id_) as inventory:
        disk = inventory.get(DISK, id_)
        if disk is None:
            return
        if disk["status"] != "Available":
            raise CloudError("IncorrectDiskStatus", f"The disk {id_} is {disk['status']}, not Available.")
        inventory.remove(DISK, id_)
        if cloud.hardware is not None:
            cloud.hardware.delete_disk(id_)


def _attach(cloud: Cloud, props: Props) -> str:
    disk_id, instance_id = props["diskId"], props["instanceId"]
    id_ = f"{disk_id}:{instance_id}"
    with cloud.call("AttachDisk", props, subject=id_) as inventory:
        disk, instance = existing(inventory, DISK, disk_id), existing(inventory, INSTANCE, instance_id)
        if disk["status"] != "Available":
            raise CloudError("IncorrectDiskStatus", f"The disk {disk_id} is {disk['status']}, not Available.")
        if disk["zoneId"] != instance["availabilityZone"]:  # the code is inferred
            raise CloudError(
                "InvalidOperation.ZoneMismatch",
                f"{disk_id} is in {disk['zoneId']}, {instance_id} in {instance['availabilityZone']}.",
            )
        disk.update(status="In_use", instanceId=instance_id)
        inventory.put(ATTACHMENT, id_, {"device": "/dev/xvdb", "deleteWithInstance": False, **props})
        if cloud.hardware is not None:
            cloud.hardware.attach_disk(disk_id, instance_id)
    return id_


def _detach(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("DetachDisk", state, subject=id_) as inventory:
        attached = inventory.get(ATTACHMENT, id_) is not None
        inventory.remove(ATTACHMENT, id_)
        disk = inventory.get(DISK, state["diskId"])
        if not attached or disk is None:
            return
        disk.update(status="Available", instanceId="")
        if cloud.hardware is not None:
            cloud.hardware.detach_disk(state["diskId"], state["instanceId"])


def _check_times(props: Props) -> None:
    for name, allowed in (("repeatWeekdays", range(1, 8)), ("timePoints", range(24))):
        wrong = [text for text in props[name] if not text.isdigit() or int(text) not in allowed]
        if wrong or not props[name]:
            raise CloudError("InvalidParameter", f"{name} {props[name]} is not within {allowed[0]}-{allowed[-1]}.")
    if props["retentionDays"] != -1 and not 1 <= props["retentionDays"] <= 65536:
        raise CloudError("InvalidRetentionDays", f"{props['retentionDays']} days is neither -1 nor 1 to 65536.")


def _create_snapshot_policy(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateAutoSnapshotPolicy", props) as inventory:
        check_tags(props)
        _check_times(props)
        id_ = new_id("sp", cloud.region_id)
        made = {"status": "Normal", "regionId": cloud.region_id, "createTime": now()}
        inventory.put(SNAPSHOT_POLICY, id_, {**made, **props})
    return id_


def _update_snapshot_policy(cloud: Cloud, change: Change) -> None:
    with cloud.call("ModifyAutoSnapshotPolicyEx", change.inputs, subject=change.id) as inventory:
        check_tags(change.inputs)
        _check_times(change.inputs)
        apply(inventory, SNAPSHOT_POLICY, change)


def _delete_snapshot_policy(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteAutoSnapshotPolicy", {}, subject=id_) as inventory:
        inventory.remove(SNAPSHOT_POLICY, id_)


def _apply_snapshot_policy(cloud: Cloud, props: Props) -> str:
    id_ = f"{props['autoSnapshotPolicyId']}:{props['diskId']}"
    with cloud.call("ApplyAutoSnapshotPolicy", props, subject=id_) as inventory:
        existing(inventory, SNAPSHOT_POLICY, props["autoSnapshotPolicyId"])
        existing(inventory, DISK, props["diskId"])
        inventory.put(SNAPSHOT_ATTACHMENT, id_, {"regionId": cloud.region_id, **props})
    return id_


def _cancel_snapshot_policy(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("CancelAutoSnapshotPolicy", state, subject=id_) as inventory:
        inventory.remove(SNAPSHOT_ATTACHMENT, id_)


KINDS = (
    Kind(
        token=DISK,
        create=_create_disk,
        update=_update_disk,
        delete=_delete_disk,
        computed=("status", "regionId", "createTime"),
    ),
    Kind(
        token=ATTACHMENT,
        create=_attach,
        update=modify("ModifyDiskAttribute", ATTACHMENT),
        delete=_detach,
        computed=("device",),
    ),
    Kind(
        token=SNAPSHOT_POLICY,
        create=_create_snapshot_policy,
        update=_update_snapshot_policy,
        delete=_delete_snapshot_policy,
        computed=("status", "regionId", "createTime"),
    ),
    Kind(
        token=SNAPSHOT_ATTACHMENT,
        create=_apply_snapshot_policy,
        delete=_cancel_snapshot_policy,
        computed=("regionId",),
    ),
)
