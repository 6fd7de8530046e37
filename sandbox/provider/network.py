"""VPC, vSwitch, security group and its rules."""

import re
from ipaddress import IPv4Network

from sandbox.hardware import IngressRule
from sandbox.provider.cloud import Cloud, now
from sandbox.provider.errors import CloudError
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, modify, network
from sandbox.provider.store import Inventory, new_id
from sandbox.provider.values import Props

VPC = "alicloud:vpc/network:Network"
VSWITCH = "alicloud:vpc/switch:Switch"
GROUP = "alicloud:ecs/securityGroup:SecurityGroup"
RULE = "alicloud:ecs/securityGroupRule:SecurityGroupRule"
INSTANCE = "alicloud:ecs/instance:Instance"
PENDING = "Pending"  # an instance whose machine is being made; its rules are set when it is there

_ANY_PORT = "-1/-1"


def _create_vpc(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateVpc", props, subject=str(props.get("vpcName", ""))) as inventory:
        check_tags(props)
        cidr = network(props.get("cidrBlock", "172.16.0.0/12"), "InvalidCidrBlock.Malformed")
        if not 8 <= cidr.prefixlen <= 28:
            raise CloudError("InvalidCidrBlock.Malformed", f"The mask of {cidr} is not between /8 and /28.")
        return add_vpc(inventory, new_id("vpc", cloud.region_id), {**props, "cidrBlock": str(cidr)})


def add_vpc(inventory: Inventory, id_: str, props: Props) -> str:
    """Record a VPC; also for one that is there before any program runs."""
    made = {"routeTableId": new_id("vtb", ""), "routerId": new_id("vrt", ""), "status": "Available"}
    inventory.put(VPC, id_, {**made, "createTime": now(), **props})
    return id_


def _delete_vpc(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteVpc", {}, subject=id_) as inventory:
        users = [*inventory.where(VSWITCH, vpcId=id_), *inventory.where(GROUP, vpcId=id_)]
        if users:
            raise CloudError("DependencyViolation", f"The VPC {id_} still has {', '.join(users)}.")
        inventory.remove(VPC, id_)


def _create_vswitch(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateVSwitch", props, subject=str(props.get("vswitchName", ""))) as inventory:
        check_tags(props)
        vpc = existing(inventory, VPC, props["vpcId"])
        cidr = network(props["cidrBlock"], "InvalidCidrBlock.Malformed")
        if not 16 <= cidr.prefixlen <= 29 or not cidr.subnet_of(IPv4Network(vpc["cidrBlock"])):
            raise CloudError(
                "InvalidCidrBlock.Malformed", f"{cidr} is not a /16 to /29 inside the VPC's {vpc['cidrBlock']}."
            )
        for other_id, other in inventory.where(VSWITCH, vpcId=props["vpcId"]).items():
            if cidr.overlaps(IPv4Network(other["cidrBlock"])):
                raise CloudError("InvalidCidrBlock.Overlapped", f"{cidr} overlaps {other_id}.")
        zone = props.get("zoneId") or props["availabilityZone"]
        if not zone.startswith(cloud.region_id):
            raise CloudError("InvalidZoneId.NotFound", f"No zone {zone!r} in region {cloud.region_id}.")
        return add_vswitch(inventory, new_id("vsw", cloud.region_id), {**props, "zoneId": zone})


def add_vswitch(inventory: Inventory, id_: str, props: Props) -> str:
    """Record a vSwitch; also for one that is there before any program runs."""
    made = {"availabilityZone": props["zoneId"], "status": "Available", "createTime": now()}
    inventory.put(VSWITCH, id_, {**made, **props})
    return id_


def _delete_vswitch(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteVSwitch", {}, subject=id_) as inventory:
        users = inventory.where(INSTANCE, vswitchId=id_)
        if users:
            raise CloudError("DependencyViolation", f"The vSwitch {id_} still has {', '.join(users)}.")
        inventory.remove(VSWITCH, id_)


def _create_group(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateSecurityGroup", props, subject=str(props.get("securityGroupName"))) as inventory:
        check_tags(props)
        if "vpcId" in props:
            existing(inventory, VPC, props["vpcId"])
        id_ = new_id("sg", cloud.region_id)
        defaults = {"securityGroupType": "normal", "innerAccessPolicy": "Accept", "createTime": now()}
        inventory.put(GROUP, id_, {**defaults, **props})
        return id_


def _delete_group(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteSecurityGroup", {}, subject=id_) as inventory:
        users = [i for i, instance in inventory.all(INSTANCE).items() if id_ in instance["securityGroups"]]
        if users:
            raise CloudError("DependencyViolation", f"The security group {id_} is used by {', '.join(users)}.")
        inventory.remove(GROUP, id_)


def _create_rule(cloud: Cloud, props: Props) -> str:
    ports, protocol = props.get("portRange", _ANY_PORT), props["ipProtocol"]
    _check_ports(protocol, ports)
    nic, policy, priority = props.get("nicType", "<nil>"), props.get("policy", "accept"), props.get("priority", 1)
    source = props.get("cidrIp") or props.get("ipv6CidrIp") or props.get("sourceSecurityGroupId")
    group = props["securityGroupId"]
    id_ = f"{group}:{props['type']}:{protocol}:{ports}:{nic}:{source}:{policy}:{priority}"
    action = "AuthorizeSecurityGroup" if props["type"] == "ingress" else "AuthorizeSecurityGroupEgress"
    with cloud.call(action, props, subject=group) as inventory:
        existing(inventory, GROUP, group)
        if "cidrIp" in props:
            _check_source(props["cidrIp"])
        defaults = {"portRange": ports, "policy": policy, "priority": priority, "nicType": "intranet"}
        made = {"securityGroupRuleId": new_id("sgr", cloud.region_id)}
        inventory.put(RULE, id_, {**defaults, **made, **props})
        _let_in(cloud, inventory, group)
    return id_


def _check_ports(protocol: str, ports: str) -> None:
    """The provider's own check, made only at `up`: security_group_rule:208-218 (facts/provider.md)."""
    if protocol not in {"tcp", "udp"}:
        if ports != _ANY_PORT:
            raise CloudError("InvalidPortRange", f"'{protocol}' only supports port range '-1/-1', not {ports!r}.")
        return
    if ports == _ANY_PORT:
        raise CloudError("InvalidPortRange", "'tcp' and 'udp' need a port range within 1/65535.")
    match = re.fullmatch(r"(\d+)/(\d+)", ports)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
        raise CloudError("InvalidPortRange.Malformed", f"The port range {ports!r} is not like 443/443.")


def _check_source(cidr: str) -> None:
    try:
        IPv4Network(cidr, strict=False)
    except ValueError as error:
        raise CloudError("InvalidSourceCidrIp.Malformed", f"The source {cidr!r} is not valid.") from error


def _update_rule(cloud: Cloud, change: Change) -> None:
    for _ in range(2):  # the real provider sends it twice (facts/engine.md, trap 13)
        with cloud.call("ModifySecurityGroupRule", change.inputs, subject=change.id) as inventory:
            apply(inventory, RULE, change)


def _delete_rule(cloud: Cloud, id_: str, state: Props) -> None:
    action = "RevokeSecurityGroup" if state["type"] == "ingress" else "RevokeSecurityGroupEgress"
    with cloud.call(action, state, subject=id_) as inventory:
        inventory.remove(RULE, id_)
        _let_in(cloud, inventory, state["securityGroupId"])


def _let_in(cloud: Cloud, inventory: Inventory, group: str) -> None:
    """Tell the machines in a security group what it lets in now."""
    if cloud.hardware is None:
        return
    for id_, instance in inventory.all(INSTANCE).items():
        if group in instance["securityGroups"] and instance["status"] != PENDING:
            cloud.hardware.set_ingress(id_, ingress(inventory, instance["securityGroups"]))


def ingress(inventory: Inventory, groups: list[str]) -> list[IngressRule]:
    """All that the groups allow in by IPv4 range; rules by group or that drop are not modelled."""
    return [
        IngressRule(protocol=rule["ipProtocol"], ports=_ports(rule["portRange"]), cidr=rule["cidrIp"])
        for rule in inventory.where(RULE, type="ingress", policy="accept").values()
        if rule["securityGroupId"] in groups and "cidrIp" in rule
    ]


def _ports(text: str) -> tuple[int, int]:
    low, high = (int(part) for part in text.split("/"))
    return (1, 65535) if low == -1 else (low, high)


KINDS = (
    Kind(
        token=VPC,
        create=_create_vpc,
        update=modify("ModifyVpcAttribute", VPC),
        delete=_delete_vpc,
        computed=("routeTableId", "routerId", "status", "createTime"),
    ),
    Kind(
        token=VSWITCH,
        create=_create_vswitch,
        update=modify("ModifyVSwitchAttribute", VSWITCH),
        delete=_delete_vswitch,
        computed=("status", "createTime"),
    ),
    Kind(
        token=GROUP,
        create=_create_group,
        update=modify("ModifySecurityGroupAttribute", GROUP),
        delete=_delete_group,
        computed=("createTime",),
    ),
    Kind(
        token=RULE,
        create=_create_rule,
        update=_update_rule,
        delete=_delete_rule,
        computed=("securityGroupRuleId",),
    ),
)
