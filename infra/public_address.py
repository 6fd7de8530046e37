"""The elastic IP address: known before the instance exists, kept when the instance is replaced."""

from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.sections import AddressCharge

CHARGE_TYPE = {AddressCharge.BY_TRAFFIC: "PayByTraffic", AddressCharge.BY_BANDWIDTH: "PayByBandwidth"}


@dataclass(frozen=True, kw_only=True)
class PublicAddressArgs:
    """`bandwidth_mbps` in Mbit/s. Always pay-as-you-go: a subscribed address would survive its destruction."""

    bandwidth_mbps: int
    charge: AddressCharge
    physical_name: str
    tags: dict[str, str]


class PublicAddress(pulumi.ComponentResource):
    """Outputs `ip_address` and `allocation_id`."""

    ip_address: pulumi.Output[str]
    allocation_id: pulumi.Output[str]

    def __init__(self, name: str, args: PublicAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:PublicAddress", name, {}, opts)
        address = alicloud.ecs.EipAddress(
            f"{name}-address",
            address_name=args.physical_name,
            description="Open WebUI",
            bandwidth=str(args.bandwidth_mbps),
            internet_charge_type=CHARGE_TYPE[args.charge],
            payment_type="PayAsYouGo",
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ip_address, self.allocation_id = address.ip_address, address.id
        self.register_outputs({"ipAddress": self.ip_address, "allocationId": self.allocation_id})

    def associate(self, name: str, instance_id: pulumi.Input[str]) -> alicloud.ecs.EipAssociation:
        """Bind the address to an instance; a replaced instance gets it back."""
        return alicloud.ecs.EipAssociation(
            f"{name}-association",
            allocation_id=self.allocation_id,
            instance_id=instance_id,
            instance_type="EcsInstance",
            # The address must be let go before another instance can have it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
