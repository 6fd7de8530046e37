"""The private network of the instance: a new VPC with one vSwitch, or an existing pair."""

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_alicloud as alicloud


@dataclass(frozen=True, kw_only=True)
class NewNetwork:
    """Ranges of a network to create; `vswitch_cidr` lies in `vpc_cidr`."""

    vpc_cidr: IPv4Network
    vswitch_cidr: IPv4Network


@dataclass(frozen=True, kw_only=True)
class ExistingNetwork:
    """Ids of a network that somebody else manages; nothing is created."""

    vpc_id: str
    vswitch_id: str


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Validated values; a component never reads stack config."""

    choice: NewNetwork | ExistingNetwork
    zone_id: str
    physical_name: str
    tags: dict[str, str]


class Network(pulumi.ComponentResource):
    """Outputs `vpc_id` and `vswitch_id`, whoever made them."""

    vpc_id: pulumi.Output[str]
    vswitch_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Network", name, {}, opts)
        match args.choice:
            case ExistingNetwork(vpc_id=vpc_id, vswitch_id=vswitch_id):
                self.vpc_id, self.vswitch_id = pulumi.Output.from_input(vpc_id), pulumi.Output.from_input(vswitch_id)
            case NewNetwork() as new:
                self._create(name, args, new)
        self.register_outputs({"vpcId": self.vpc_id, "vswitchId": self.vswitch_id})

    def _create(self, name: str, args: NetworkArgs, new: NewNetwork) -> None:
        vpc = alicloud.vpc.Network(
            f"{name}-vpc",
            vpc_name=args.physical_name,
            cidr_block=str(new.vpc_cidr),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        vswitch = alicloud.vpc.Switch(
            f"{name}-vswitch",
            vswitch_name=args.physical_name,
            vpc_id=vpc.id,
            zone_id=args.zone_id,
            cidr_block=str(new.vswitch_cidr),
            tags=args.tags,
            # A vSwitch of the same range cannot stand beside the old one.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.vpc_id, self.vswitch_id = vpc.id, vswitch.id
