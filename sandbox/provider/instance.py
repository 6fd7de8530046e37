"""The ECS instance: RunInstances, and an update in the real provider's order (facts/provider.md section 2)."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network

from sandbox.hardware import HardwareError, MachineSpec
from sandbox.provider.address import ASSOCIATION, EIP
from sandbox.provider.cloud import Cloud, now
from sandbox.provider.errors import CloudError
from sandbox.provider.identity import INSTANCE_ROLE, check_instance_role, effective_policy
from sandbox.provider.images import check_bootable
from sandbox.provider.instance_checks import (
    SYSTEM_DISK_GIB,
    check_access,
    check_groups,
    check_move,
    check_new,
    check_type_change,
    user_data,
)
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, only
from sandbox.provider.network import INSTANCE, PENDING, VSWITCH, ingress
from sandbox.provider.storage import ATTACHMENT, DISK
from sandbox.provider.store import Inventory, new_id
from sandbox.provider.values import Props

_DEFAULTS: Props = {
    "deletionProtection": False,
    "dryRun": False,
    "httpEndpoint": "enabled",
    "httpTokens": "optional",
    "instanceChargeType": "PostPaid",
    "instanceName": "ECS-Instance",
    "internetChargeType": "PayByTraffic",
    "internetMaxBandwidthOut": 0,
    "osType": "linux",
    "publicIp": "",
    "roleName": "",
    "spotStrategy": "NoSpot",
    "systemDiskCategory": "cloud_efficiency",
    "systemDiskSize": SYSTEM_DISK_GIB,
}
# In the order in which the real update goes through them while the instance is stopped.
_STOPPED_STEPS = (
    ("ReplaceSystemDisk", frozenset({"imageId"})),
    ("ModifyInstanceVpcAttribute", frozenset({"vswitchId", "privateIp", "vpcId"})),
    ("ModifyInstanceSpec", frozenset({"instanceType"})),
)
# Written while the instance still runs, and in force after the restart that they share.
_RESTARTED = frozenset({"userData", "password", "kmsEncryptedPassword", "hostName", "cpuOptions", "keyName"})
_STOPPING = _RESTARTED.union({"status"}, *(names for _, names in _STOPPED_STEPS))


def _create(cloud: Cloud, props: Props) -> str:
    zone = props.get("availabilityZone", "")
    vswitch = cloud.store.snapshot().get(VSWITCH, props.get("vswitchId", "")) or {}
    request = {**props, "zone": zone or vswitch.get("zoneId", "")}  # what a fault may match
    with cloud.call("RunInstances", request, subject=str(props.get("instanceName", ""))) as inventory:
        check_new(inventory, props)
        id_ = new_id("i", cloud.region_id)
        record = _record(cloud, inventory, id_, props)
        if record["roleName"]:
            check_instance_role(inventory, record["roleName"])
        inventory.put(INSTANCE, id_, record if cloud.hardware is None else {**record, "status": PENDING})
    try:
        with cloud.blame("RunInstances"):
            _power_up_first(cloud, id_, record)
    except CloudError:
        with cloud.store.transaction() as inventory:
            inventory.remove(INSTANCE, id_)
        raise
    return id_


def _power_up_first(cloud: Cloud, id_: str, record: Props) -> None:
    if cloud.hardware is None:
        return
    try:
        cloud.hardware.create_machine(_spec(cloud, id_, record))
        # In one transaction: a rule that is made meanwhile is in it, or finds the machine running.
        with cloud.store.transaction() as inventory:
            inventory.put(INSTANCE, id_, record)
            cloud.hardware.set_ingress(id_, ingress(inventory, record["securityGroups"]))
        if role := record["roleName"]:
            cloud.hardware.attach_role(role, effective_policy(inventory, role), id_)
    except HardwareError:
        with suppress(HardwareError):  # the first error is the one to report
            cloud.hardware.delete_machine(id_)
        raise


def _record(cloud: Cloud, inventory: Inventory, id_: str, props: Props) -> Props:
    vswitch = existing(inventory, VSWITCH, props["vswitchId"])
    address = props.get("privateIp") or _free_address(inventory, props["vswitchId"], vswitch["cidrBlock"])
    made = {
        "availabilityZone": vswitch["zoneId"],
        "createTime": now(),
        "hostName": f"iZ{id_[2:]}Z",
        "privateIp": address,
        "primaryIpAddress": address,
        "startTime": now(),
        "status": "Running",
        "systemDiskId": new_id("d", cloud.region_id),
        "vpcId": vswitch["vpcId"],
    }
    if props.get("internetMaxBandwidthOut", 0) > 0:
        made["publicIp"] = "198.51.100.254"  # a fixed public address; nothing answers there
    record = {**_DEFAULTS, **made, **props, "status": "Running"}
    if record["instanceChargeType"] == "PrePaid":
        record["spotStrategy"] = "NoSpot"  # spot is silently dropped (provider.md section 2)
        # RunInstances knows renewal or none; what is then read is the cloud's word (resource_alicloud_instance.go).
        record["renewalStatus"] = "AutoRenewal" if props.get("renewalStatus") == "AutoRenewal" else "Normal"
    return record


def _free_address(inventory: Inventory, vswitch_id: str, cidr: str) -> str:
    network = IPv4Network(cidr)
    taken = {instance["privateIp"] for instance in inventory.where(INSTANCE, vswitchId=vswitch_id).values()}
    for offset in range(1, network.num_addresses - 3):  # the cloud keeps the first and the last three
        address = str(IPv4Address(int(network.network_address) + offset))
        if address not in taken:
            return address
    raise CloudError("InvalidVSwitchId.IpNotEnough", f"The vSwitch {vswitch_id} has no free address.")


def _spec(cloud: Cloud, id_: str, record: Props) -> MachineSpec:
    return MachineSpec(
        instance_id=id_,
        hostname=record["hostName"],
        region_id=cloud.region_id,
        zone_id=record["availabilityZone"],
        instance_type=record["instanceType"],
        image_id=record["imageId"],
        private_ip=record["privateIp"],
        user_data=user_data(record),
    )


def _update(cloud: Cloud, change: Change) -> None:
    """Running: attributes. Then, if anything needs it: stop, change, start when the state or the config says Running.
    A step that fails ends it there: the instance stays stopped (facts/engine.md, trap 1).
    """
    check_tags(change.inputs)
    changed = change.changed
    if changed & {"securityGroups"}:
        _regroup(cloud, change)
    if "systemDiskSize" in changed:
        _resize(cloud, change)
    live = changed - _STOPPING - {"securityGroups", "systemDiskSize"}
    if live:
        _modify(cloud, "ModifyInstanceAttribute", change, live)
    if changed & _RESTARTED:
        with cloud.call("ModifyInstanceAttribute", change.inputs, subject=change.id) as inventory:
            check_access({k: v for k, v in change.inputs.items() if k in changed})
            apply(inventory, INSTANCE, only(change, _RESTARTED))
    if changed & _STOPPING:
        _restart_around(cloud, change)


def _restart_around(cloud: Cloud, change: Change) -> None:
    _observe(cloud, change.id)
    target = change.inputs.get("status", change.state.get("status"))
    _power(cloud, change.id, "StopInstance", "Stopped", lambda h: h.stop_machine(change.id))
    for action, names in _STOPPED_STEPS:
        if change.changed & names:
            _modify(cloud, action, change, names)
            if action == "ReplaceSystemDisk" and cloud.hardware is not None:
                record = existing(cloud.store.snapshot(), INSTANCE, change.id)
                with cloud.blame(action):
                    cloud.hardware.replace_system_disk(_spec(cloud, change.id, record))
    if target == "Running":
        _power(cloud, change.id, "StartInstance", "Running", lambda h: h.start_machine(change.id))


def _modify(cloud: Cloud, action: str, change: Change, names: frozenset[str]) -> None:
    zone = change.state.get("availabilityZone", "")
    with cloud.call(action, {**change.inputs, "zone": zone}, subject=change.id) as inventory:
        record = existing(inventory, INSTANCE, change.id)
        if action == "ModifyInstanceSpec":
            check_type_change(record["instanceType"], change.inputs["instanceType"])
        if action == "ModifyInstanceVpcAttribute":
            check_move(inventory, record, change.inputs)
        if "roleName" in change.changed & names and (role := change.inputs.get("roleName")):
            check_instance_role(inventory, role)
        apply(inventory, INSTANCE, only(change, names))
        if action in {"ReplaceSystemDisk", "ModifyInstanceSpec"}:
            check_bootable(record["imageId"], record["instanceType"], record["systemDiskSize"])
        if action == "ReplaceSystemDisk":
            record["systemDiskId"] = new_id("d", cloud.region_id)
        record.update({name: default for name, default in _DEFAULTS.items() if name not in record})
        record["primaryIpAddress"] = record["privateIp"]


def _regroup(cloud: Cloud, change: Change) -> None:
    with cloud.call("JoinSecurityGroup", change.inputs, subject=change.id) as inventory:
        # The real provider swallows this refusal (facts/provider.md section 2); here it is seen.
        record = existing(inventory, INSTANCE, change.id)
        check_groups(inventory, change.inputs["securityGroups"], record["vpcId"])
        apply(inventory, INSTANCE, only(change, {"securityGroups"}))
        if cloud.hardware is not None:
            cloud.hardware.set_ingress(change.id, ingress(inventory, change.inputs["securityGroups"]))


def _resize(cloud: Cloud, change: Change) -> None:
    with cloud.call("ResizeDisk", change.inputs, subject=change.id) as inventory:
        record = existing(inventory, INSTANCE, change.id)
        new, old = change.inputs.get("systemDiskSize", _DEFAULTS["systemDiskSize"]), record["systemDiskSize"]
        if new < old:
            raise CloudError("InvalidDiskSize.TooSmall", f"{new} GiB is less than the system disk's {old}.")
        record["systemDiskSize"] = new


def _power(cloud: Cloud, id_: str, action: str, target: str, effect: Callable[..., None]) -> None:
    """Stop or start, unless it is so already. The machine is waited for outside the transaction."""
    if existing(cloud.store.snapshot(), INSTANCE, id_)["status"] == target:
        return
    with cloud.call(action, {}, subject=id_) as inventory:
        record = existing(inventory, INSTANCE, id_)
        record["status"] = "Stopping" if target == "Stopped" else "Starting"
    try:
        if cloud.hardware is not None:
            with cloud.blame(action):
                effect(cloud.hardware)
    except CloudError:
        target = "Stopped" if target == "Running" else "Running"  # as it was
        raise
    finally:
        set_status(cloud, id_, target)


def _observe(cloud: Cloud, id_: str) -> None:
    """Record whether the machine runs: it may have been turned off from within, or the host been restarted."""
    if cloud.hardware is None or cloud.store.snapshot().get(INSTANCE, id_) is None:
        return
    set_status(cloud, id_, "Running" if cloud.hardware.is_running(id_) else "Stopped")


def set_status(cloud: Cloud, id_: str, status: str) -> None:
    """Record a power state; also what a person does at the console (tests, the rehearsal)."""
    with cloud.store.transaction() as inventory:
        existing(inventory, INSTANCE, id_)["status"] = status


def _delete(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("DeleteInstance", state, subject=id_) as inventory:
        record = inventory.get(INSTANCE, id_)
        if record is None:
            return
        if record["instanceChargeType"] == "PrePaid" and not state.get("forceDelete"):
            raise CloudError(
                "ChargeTypeViolation", "A PrePaid instance is only deleted with force_delete (in the state)."
            )
        if record["deletionProtection"]:
            raise CloudError(
                "InvalidOperation.DeletionProtection", f"{id_} is protected: turn deletion_protection off first."
            )
    if cloud.hardware is not None:
        with cloud.blame("DeleteInstance"):
            cloud.hardware.delete_machine(id_)
    with cloud.store.transaction() as inventory:
        _let_go(inventory, id_)
        inventory.remove(INSTANCE, id_)


def _let_go(inventory: Inventory, id_: str) -> None:
    """Free what the cloud frees by itself when an instance is released: disks, elastic IP, role."""
    for disk in inventory.where(DISK, instanceId=id_).values():
        disk.update(status="Available", instanceId="")
    for association in inventory.where(ASSOCIATION, instanceId=id_).values():
        if (eip := inventory.get(EIP, association["allocationId"])) is not None:
            eip["status"] = "Available"
    for token in (ATTACHMENT, ASSOCIATION, INSTANCE_ROLE):
        for attached in inventory.where(token, instanceId=id_):
            inventory.remove(token, attached)


KINDS = (
    Kind(
        token=INSTANCE,
        create=_create,
        update=_update,
        delete=_delete,
        observe=_observe,
        computed=(
            "availabilityZone",
            "createTime",
            "hostName",
            "primaryIpAddress",
            "privateIp",
            "publicIp",
            "startTime",
            "systemDiskId",
            "vpcId",
        ),
    ),
)
