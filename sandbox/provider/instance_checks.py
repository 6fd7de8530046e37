"""What the cloud refuses of an instance: when it is made, and when it is changed."""

import base64
import binascii
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from sandbox.provider.errors import CloudError
from sandbox.provider.images import GPU_TYPE, check_bootable
from sandbox.provider.kind import check_tags, existing
from sandbox.provider.network import GROUP, VSWITCH
from sandbox.provider.store import Inventory
from sandbox.provider.values import Props

SYSTEM_DISK_GIB = 40  # where none is asked for
_USER_DATA_BYTES = 32 * 1024  # before Base64: facts/alibaba-cloud.md section 1


def check_new(inventory: Inventory, props: Props) -> None:
    """Refuse what RunInstances does."""
    check_tags(props)
    if not props.get("securityGroups"):
        raise CloudError("MissingParameter", "The input parameter SecurityGroupId is mandatory.")
    if not props.get("vswitchId"):
        raise CloudError("MissingParameter", "The input parameter VSwitchId is mandatory.")
    vswitch = existing(inventory, VSWITCH, props["vswitchId"])
    check_groups(inventory, props["securityGroups"], vswitch["vpcId"])
    zone = props.get("availabilityZone", vswitch["zoneId"])
    if zone != vswitch["zoneId"]:
        raise CloudError("InvalidVSwitchId.ZoneMismatch", f"{props['vswitchId']} is in {vswitch['zoneId']}.")
    size = props.get("systemDiskSize", SYSTEM_DISK_GIB)
    check_bootable(props["imageId"], props["instanceType"], size)
    check_access(props)


def check_groups(inventory: Inventory, groups: Iterable[str], vpc_id: str) -> None:
    """Refuse security groups of another VPC."""
    for group in groups:
        if existing(inventory, GROUP, group)["vpcId"] != vpc_id:
            raise CloudError("InvalidSecurityGroupId.VPCMismatch", f"{group} is in another VPC.")


def check_access(props: Props) -> None:
    """Refuse what a boot cannot be given: key pair, password, host name, user data."""
    if len(user_data(props)) > _USER_DATA_BYTES:
        raise CloudError("InvalidUserData.SizeExceeded", f"The user data is over {_USER_DATA_BYTES} bytes.")
    if "keyName" in props:
        raise CloudError("InvalidKeyPair.NotFound", f"The key pair {props['keyName']!r} does not exist.")
    password = props.get("password")
    classes = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")
    if password is not None and not (
        8 <= len(password) <= 30 and sum(re.search(c, password) is not None for c in classes) >= 3
    ):
        raise CloudError("InvalidPassword.Malformed", "The password is too weak.")
    name = props.get("hostName")
    if name is not None and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?", name) is None:
        raise CloudError("InvalidHostName.Malformed", f"The host name {name!r} is not valid.")


def check_type_change(old: str, new: str) -> None:
    """Refuse a type that ModifyInstanceSpec does not lead to: bare metal is changed neither to nor from, and a type
    with GPUs only within its family (facts/engine.md saw that one; the code and the rest are inferred).
    """
    families = {type_.split(".")[1].split("-")[0] for type_ in (old, new)}
    special = any(re.match(r"ebm|scc", family) for family in families)
    if special or (len(families) > 1 and (GPU_TYPE.match(old) or GPU_TYPE.match(new))):
        raise CloudError("InvalidInstanceType.ValueNotSupported", f"{old} cannot be changed into {new}.")


def check_move(inventory: Inventory, record: Props, inputs: Props) -> None:
    """Refuse a vSwitch that the instance cannot move to; the real provider leaves that to the cloud."""
    vswitch = existing(inventory, VSWITCH, inputs["vswitchId"])
    if vswitch["zoneId"] != record["availabilityZone"]:
        raise CloudError("InvalidVSwitchId.ZoneMismatch", f"{inputs['vswitchId']} is in {vswitch['zoneId']}.")
    check_groups(inventory, inputs["securityGroups"], vswitch["vpcId"])
    address, cidr = inputs.get("privateIp"), vswitch["cidrBlock"]
    if address is not None and IPv4Address(address) not in IPv4Network(cidr):
        raise CloudError("InvalidPrivateIpAddress.Mismatch", f"{address} is not in {cidr}.")  # the code is inferred


def user_data(props: Props) -> bytes:
    """What cloud-init reads: valid Base64 is passed as it is, anything else is encoded first (provider.md 3)."""
    text = props.get("userData", "")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return str(text).encode()
