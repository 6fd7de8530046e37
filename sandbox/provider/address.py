"""Elastic IP and its association with an instance."""

from sandbox.provider.cloud import Cloud, now
from sandbox.provider.errors import CloudError
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, modify
from sandbox.provider.network import INSTANCE
from sandbox.provider.store import new_id
from sandbox.provider.values import Props

EIP = "alicloud:ecs/eipAddress:EipAddress"
ASSOCIATION = "alicloud:ecs/eipAssociation:EipAssociation"


def _check_bandwidth(props: Props) -> None:
    """Refuse what the SDK's page of EipAddress does not allow: 1-500 Mbit/s by bandwidth, 1-200 by traffic."""
    most = 200 if props.get("internetChargeType") == "PayByTraffic" else 500
    text = str(props.get("bandwidth", "5"))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise CloudError("InvalidBandwidth.ValueNotSupported", f"The bandwidth {text!r} is not 1 to {most}.")


def _allocate(cloud: Cloud, props: Props) -> str:
    with cloud.call("AllocateEipAddress", props, subject=str(props.get("addressName", ""))) as inventory:
        check_tags(props)
        _check_bandwidth(props)
        if props.get("paymentType") == "Subscription" and props.get("internetChargeType") == "PayByTraffic":
            raise CloudError("COMMODITY.INVALID_COMPONENT", "A subscription EIP is paid by bandwidth.")
        taken = {eip["ipAddress"] for eip in inventory.all(EIP).values()}
        free = next((address for address in cloud.addresses() if address not in taken), None)
        if free is None:
            raise CloudError("QuotaExceeded.Eip", f"All {len(taken)} elastic IPs of this region are taken.")
        id_ = new_id("eip", cloud.region_id)
        defaults = {
            "bandwidth": "5",
            "deletionProtection": False,
            "internetChargeType": "PayByBandwidth",
            "isp": "BGP",
            "netmode": "public",
            "paymentType": "PayAsYouGo",
        }
        made = {"status": "Available", "ipAddress": free, "createTime": now()}
        inventory.put(EIP, id_, {**defaults, **props, **made})
        return id_


def _update(cloud: Cloud, change: Change) -> None:
    with cloud.call("ModifyEipAddressAttribute", change.inputs, subject=change.id) as inventory:
        check_tags(change.inputs)
        _check_bandwidth(change.inputs)
        apply(inventory, EIP, change)


def _release(cloud: Cloud, id_: str, state: Props) -> None:
    if state["paymentType"] == "Subscription":
        return  # dropped from the state and still billed (provider.md section 2)
    with cloud.call("ReleaseEipAddress", state, subject=id_) as inventory:
        eip = inventory.get(EIP, id_)
        if eip is None:
            return
        if eip["deletionProtection"]:
            raise CloudError("InvalidOperation.DeletionProtection", f"The EIP {id_} is protected from release.")
        if eip["status"] != "Available":
            raise CloudError("IncorrectEipStatus", f"The EIP {id_} is {eip['status']}, not Available.")
        inventory.remove(EIP, id_)


def _associate(cloud: Cloud, props: Props) -> str:
    eip_id, instance_id = props["allocationId"], props["instanceId"]
    id_ = f"{eip_id}:{instance_id}"
    with cloud.call("AssociateEipAddress", props, subject=id_) as inventory:
        eip, instance = existing(inventory, EIP, eip_id), existing(inventory, INSTANCE, instance_id)
        if eip["status"] != "Available":
            raise CloudError("IncorrectEipStatus", f"The EIP {eip_id} is {eip['status']}, not Available.")
        if instance["internetMaxBandwidthOut"] > 0:  # the real provider retries this for 5 minutes
            raise CloudError("InvalidStatus.InstanceHasBandWidth", f"{instance_id} has a public address.")
        others = inventory.where(ASSOCIATION, instanceId=instance_id)
        if others:
            raise CloudError("InvalidAssociation.Duplicated", f"{instance_id} has {', '.join(others)}.")
        eip["status"] = "InUse"
        inventory.put(ASSOCIATION, id_, {"instanceType": "EcsInstance", **props})
        address = eip["ipAddress"]
        if cloud.hardware is not None:
            cloud.hardware.associate_address(address, instance_id)
    return id_


def _dissociate(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("UnassociateEipAddress", state, subject=id_) as inventory:
        associated = inventory.get(ASSOCIATION, id_) is not None
        inventory.remove(ASSOCIATION, id_)
        eip = inventory.get(EIP, state["allocationId"])
        if not associated or eip is None:
            return
        eip["status"] = "Available"
        address = eip["ipAddress"]
        if cloud.hardware is not None:
            cloud.hardware.dissociate_address(address, state["instanceId"])


KINDS = (
    Kind(
        token=EIP,
        create=_allocate,
        update=_update,
        delete=_release,
        computed=("ipAddress", "status", "createTime"),
    ),
    Kind(
        token=ASSOCIATION,
        create=_associate,
        update=modify("ModifyEipForwardMode", ASSOCIATION),
        delete=_dissociate,
    ),
)
