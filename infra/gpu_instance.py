"""The ECS instance, what is attached to it, and what must not disturb it."""

import base64
from dataclasses import dataclass
from typing import Required, TypedDict

import pulumi
import pulumi_alicloud as alicloud

from infra.sections import Billing, BillingMode


@dataclass(frozen=True, kw_only=True)
class ImageFamily:
    """The newest image of a family, looked up when the instance is made; later images never touch it."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ImageId:
    """One image. Changing it replaces the system disk in place; data disk and address stay."""

    id: str


@dataclass(frozen=True, kw_only=True)
class SystemDiskArgs:
    """Category as the API names it, size in GiB."""

    category: str
    performance_level: str | None
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class GpuInstanceArgs:
    """`user_data` as cloud-init reads it (not yet Base64); `spot_price` None is no limit, with `spot` True.

    `vswitch_is_own`: the program makes the vSwitch, and replaces it when its zone or its range changes.
    """

    instance_type: str
    zone_id: str
    image: ImageFamily | ImageId
    system_disk: SystemDiskArgs
    vswitch_id: pulumi.Input[str]
    vswitch_is_own: bool
    security_group_id: pulumi.Input[str]
    data_disk_id: pulumi.Input[str]
    role_name: pulumi.Input[str]
    user_data: str
    billing: Billing
    spot: bool
    spot_price: float | None
    protect: bool
    physical_name: str
    tags: dict[str, str]


def newest_image(family: str) -> pulumi.Output[str | None]:
    """The id of the family's newest image; None, said as a warning, where the region has none.

    None makes the provider refuse a new instance in preview, while one that exists keeps its image: raising here
    would break every later `up`, and `destroy`, on the day the cloud withdraws the family.
    """

    def first(result: alicloud.ecs.GetImagesResult) -> str | None:
        if result.images:
            return result.images[0].id
        pulumi.log.warn(f"no image in family {family} here: a new instance needs open-webui:instance.image.id")
        return None

    owner = "system" if family.startswith("acs:") else "self"
    found = alicloud.ecs.get_images_output(image_family=family, owners=owner, most_recent=True)
    return found.apply(first)


class ChargeArgs(TypedDict, total=False):
    """The arguments of `ecs.Instance` that say how it is paid."""

    instance_charge_type: Required[str]
    spot_strategy: Required[str]
    spot_price_limit: float
    period: int | None
    period_unit: str
    include_data_disks: bool
    force_delete: bool
    renewal_status: str
    auto_renew_period: int


def charge_args(billing: Billing, *, spot: bool, spot_price: float | None) -> ChargeArgs:
    """How the instance is paid."""
    if billing.mode is BillingMode.SUBSCRIPTION:
        args: ChargeArgs = {
            "instance_charge_type": "PrePaid",
            "spot_strategy": "NoSpot",
            "period": billing.months,
            "period_unit": "Month",
            "include_data_disks": False,  # the data disk stays pay-as-you-go, whatever the instance becomes
            "force_delete": True,  # read from state at destroy, which else refuses a subscribed instance
            # Normal is what the cloud gives an instance that was bought without renewal, and what the provider reads.
            "renewal_status": "AutoRenewal" if billing.auto_renew else "Normal",
        }
        return {**args, "auto_renew_period": billing.auto_renew_months or 1} if billing.auto_renew else args
    if spot and spot_price is not None:
        return {
            "instance_charge_type": "PostPaid",
            "spot_strategy": "SpotWithPriceLimit",
            "spot_price_limit": spot_price,
        }
    return {"instance_charge_type": "PostPaid", "spot_strategy": "SpotAsPriceGo" if spot else "NoSpot"}


class GpuInstance(pulumi.ComponentResource):
    """The instance with its data disk and role attached; outputs `instance_id` and `image_id`."""

    instance_id: pulumi.Output[str]
    image_id: pulumi.Output[str]
    attachments: list[pulumi.Resource]

    def __init__(self, name: str, args: GpuInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:GpuInstance", name, {}, opts)
        subscription = args.billing.mode is BillingMode.SUBSCRIPTION
        # Changed user-data would stop and start the machine and still not run again: the release brings changes.
        ignored = ["userData"]
        match args.image:
            case ImageId(id=image_id):
                image: pulumi.Input[str | None] = image_id
            case ImageFamily(name=family):
                image = newest_image(family)
                ignored.append("imageId")
        instance = alicloud.ecs.Instance(
            f"{name}-instance",
            instance_name=args.physical_name,
            host_name=args.physical_name,
            description="Open WebUI and Ollama",
            instance_type=args.instance_type,
            availability_zone=args.zone_id,
            image_id=image,
            vswitch_id=args.vswitch_id,
            security_groups=[args.security_group_id],
            internet_max_bandwidth_out=0,  # a public address of its own would keep the elastic one away
            system_disk_name=f"{args.physical_name}-system",
            system_disk_category=args.system_disk.category,
            system_disk_performance_level=args.system_disk.performance_level,
            system_disk_size=args.system_disk.size_gib,
            system_disk_encrypted=True,
            # Valid Base64 is passed on as it is, anything else encoded: text that happens to be valid would be mangled.
            user_data=base64.b64encode(args.user_data.encode()).decode(),
            http_endpoint="enabled",
            http_tokens="required",
            status="Running",  # starts a machine that a failed change, or a hand, left stopped
            # The cloud has none for subscribed and spot instances; Pulumi's protect below refuses earlier anyway.
            deletion_protection=None if subscription or args.spot else args.protect,
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                ignore_changes=ignored,
                # A vSwitch that is replaced must first be empty; moving the machine in place comes too late for that.
                replace_on_changes=["vswitchId"] if args.vswitch_is_own else None,
                delete_before_replace=True,  # the disk and the address must first be let go
                custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m", delete="20m"),
            ),
            **charge_args(args.billing, spot=args.spot, spot_price=args.spot_price),
        )
        attached = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        self.attachments = [
            alicloud.ecs.EcsDiskAttachment(
                f"{name}-data-disk", disk_id=args.data_disk_id, instance_id=instance.id, opts=attached
            ),
            alicloud.ecs.RamRoleAttachment(
                f"{name}-role", instance_id=instance.id, ram_role_name=args.role_name, opts=attached
            ),
        ]
        self.instance_id, self.image_id = instance.id, instance.image_id
        self.register_outputs({"instanceId": self.instance_id, "imageId": self.image_id})
