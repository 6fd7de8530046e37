"""What is bought and built: network, access, machine, billing, address, data disk."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra import fields
from infra.problems import refuse
from infra.sections.section import OnceEach, Section
from provisioning.spec import TlsMode


class Network(Section):
    """Either a new VPC and vSwitch, or an existing pair of them."""

    vpc_cidr: fields.VpcCidr | None = Field(None, description="the new VPC's range, as in 10.20.0.0/16")
    vswitch_cidr: fields.VswitchCidr | None = Field(
        None, description="the new vSwitch's range inside it, as in 10.20.1.0/24"
    )
    existing_vpc_id: fields.VpcId | None = Field(None, description="the id of an existing VPC, vpc-…")
    existing_vswitch_id: fields.VswitchId | None = Field(None, description="the id of a vSwitch in it, vsw-…")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        new = (self.vpc_cidr, self.vswitch_cidr)
        existing = (self.existing_vpc_id, self.existing_vswitch_id)
        if any(new) == any(existing):
            refuse(
                "it must be either a new network or an existing one",
                "give vpcCidr and vswitchCidr, or existingVpcId and existingVswitchId",
            )
        if None in (new if any(new) else existing):
            refuse("half of a pair is missing", "give both ranges, or both ids")
        return self


def default_network() -> Network:
    """What a stack file that says nothing gets: a network of its own."""
    return Network.model_validate({"vpcCidr": "10.20.0.0/16", "vswitchCidr": "10.20.1.0/24"})


class Tls(Section):
    """Where the certificate comes from."""

    mode: TlsMode = Field(TlsMode.IP, description="ip, domain or internal")
    domain: fields.Domain | None = Field(
        None, description="the domain that points at the address, as in chat.example.com"
    )
    email: fields.Email | None = Field(None, description="who hears of certificate trouble")

    @property
    def by_authority(self) -> bool:
        """Whether a public authority is asked for the certificate, not the box's own."""
        return self.mode is not TlsMode.INTERNAL

    @model_validator(mode="after")
    def _domain_where_used(self) -> Self:
        if (self.mode is TlsMode.DOMAIN) != (self.domain is not None):
            refuse(
                f"mode {self.mode.value!r} {'needs' if self.domain is None else 'takes no'} domain",
                "give mode: domain together with domain: chat.example.com",
            )
        return self


# Each range is two rules where no certificate authority calls; a security group has 200 in all (help page
# "AuthorizeSecurityGroup", 2024-11), and people may add some of their own.
MAX_NETWORKS = 50


class Access(Section):
    """Who may reach the service, and how."""

    allowed_networks: tuple[fields.Network, ...] = Field(
        description="the IPv4 ranges that may open the page, as in [203.0.113.0/24]"
    )
    tls: Tls = Field(default_factory=Tls, description="where the certificate comes from")

    @field_validator("allowed_networks")
    @classmethod
    def _some_and_apart(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            refuse("nobody could open the page", "list at least one range, as in 203.0.113.0/24")
        if len(value) > MAX_NETWORKS:
            refuse(
                f"the firewall takes at most {MAX_NETWORKS} ranges, these are {len(value)}", "join them to wider ones"
            )
        for index, one in enumerate(value):
            for other in value[index + 1 :]:
                if one.overlaps(other):
                    refuse(f"{one} and {other} overlap", "keep the wider one")
        return value


class ImageChoice(Section):
    """A fixed image by id, or the newest one of a family at the time the instance is made."""

    family: fields.ImageFamily | None = Field(
        None, description="an image family, as in acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
    )
    id: fields.ImageId | None = Field(
        None, description="an image's id, as in ubuntu_24_04_x64_20G_alibase_20260101.vhd or m-…"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.family is None) == (self.id is None):
            refuse("an image is chosen in exactly one way", "give family or id; leave out image for the default")
        return self


class DiskCategory(StrEnum):
    """The categories that an ECS instance of today takes. `cloud_essd_entry` is for economy types only."""

    ESSD = "cloud_essd"
    AUTO = "cloud_auto"
    SSD = "cloud_ssd"
    EFFICIENCY = "cloud_efficiency"


PerformanceLevel = Literal["PL0", "PL1", "PL2", "PL3"]


class Disk(Section):
    """What a system disk and a data disk have in common."""

    category: DiskCategory = Field(DiskCategory.ESSD, description=f"one of {', '.join(DiskCategory)}")
    performance_level: PerformanceLevel | None = Field(
        None, description="PL0, PL1, PL2 or PL3, for cloud_essd only; absent: the cloud's default, PL1"
    )


class SystemDisk(Disk):
    """The disk that the instance boots from; holds nothing that must be kept."""

    size_gib: int = Field(100, ge=20, le=2048, description="a size from 20 to 2048 GiB")


class Spot(Section):
    """Spot billing: cheaper, and the cloud may take the instance back with five minutes' notice."""

    max_hourly_price: float | None = Field(
        None,
        ge=0.001,
        le=10000,
        description="the most to pay per hour, in the account's currency, to three decimals; absent: market price",
    )

    @field_validator("max_hourly_price")
    @classmethod
    def _three_decimals(cls, value: float | None) -> float | None:
        if value is not None and round(value, 3) != value:
            refuse("the cloud takes three decimals at most", f"write {round(value, 3)}")
        return value


class Instance(Section):
    """The machine."""

    type: fields.InstanceTypeName = Field(description="an ECS instance type, as in ecs.gn7i-c8g1.2xlarge")
    zone: fields.ZoneId = Field(description="a zone of the region that has the type, as in ap-southeast-1c")
    image: ImageChoice | None = Field(None, description="family or id; absent: the official Ubuntu image")
    system_disk: SystemDisk = Field(default_factory=SystemDisk, description="category and sizeGib")
    spot: Spot | None = Field(None, description="spot billing, as in {maxHourlyPrice: 5.5} or {}")
    protect: bool = Field(default=False, description="true or false: refuse to delete the instance")


class BillingMode(StrEnum):
    """How the instance is paid."""

    PAY_AS_YOU_GO = "payAsYouGo"
    SUBSCRIPTION = "subscription"


SUBSCRIPTION_MONTHS = (*range(1, 10), 12, 24, 36, 48, 60)  # the provider's validator
RENEWAL_MONTHS = (1, 2, 3, 6, 12)


class Billing(Section):
    """Pay as you go, or a subscription of some months paid in advance."""

    mode: BillingMode = Field(BillingMode.PAY_AS_YOU_GO, description="payAsYouGo or subscription")
    months: int | None = Field(None, description=f"one of {', '.join(map(str, SUBSCRIPTION_MONTHS))}")
    auto_renew: bool | None = Field(None, description="true or false, for a subscription")
    auto_renew_months: int | None = Field(None, description=f"one of {', '.join(map(str, RENEWAL_MONTHS))}")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode is BillingMode.PAY_AS_YOU_GO:
            if any(value is not None for value in (self.months, self.auto_renew, self.auto_renew_months)):
                refuse("months and autoRenew belong to a subscription", "remove them, or set mode: subscription")
            return self
        if self.months not in SUBSCRIPTION_MONTHS:
            refuse(
                "the cloud does not sell that period",
                f"set months to one of {', '.join(map(str, SUBSCRIPTION_MONTHS))}",
            )
        if self.auto_renew_months is not None and (not self.auto_renew or self.auto_renew_months not in RENEWAL_MONTHS):
            refuse(
                "autoRenewMonths needs autoRenew: true and a period that the cloud sells",
                f"set it to one of {', '.join(map(str, RENEWAL_MONTHS))}",
            )
        return self


class AddressCharge(StrEnum):
    """How the elastic IP address is paid. A subscription is refused: destroy would leave it billing."""

    BY_TRAFFIC = "byTraffic"
    BY_BANDWIDTH = "byBandwidth"


class PublicAddress(Section):
    """The elastic IP address."""

    bandwidth_mbps: int = Field(100, ge=1, le=500, description="Mbit/s, 1 to 200 by traffic, 1 to 500 by bandwidth")
    charge: AddressCharge = Field(AddressCharge.BY_TRAFFIC, description="byTraffic or byBandwidth")

    @field_validator("charge", mode="before")
    @classmethod
    def _no_subscription(cls, value: Any) -> Any:
        if value == "subscription":
            refuse(
                "destroying a subscribed address only forgets it: it goes on billing to the end of its period",
                "use byTraffic or byBandwidth",
            )
        return value

    @model_validator(mode="after")
    def _within_the_cap(self) -> Self:
        if self.charge is AddressCharge.BY_TRAFFIC and self.bandwidth_mbps > 200:
            refuse("by traffic the cloud sells at most 200 Mbit/s", "lower bandwidthMbps, or charge byBandwidth")
        return self


class Weekday(StrEnum):
    """Days of a snapshot policy, Monday first as the cloud counts them."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Snapshots(Section):
    """When the data disk is snapshot, and how long a snapshot is kept."""

    hours: Annotated[tuple[Annotated[int, Field(ge=0, le=23)], ...], Field(min_length=1, max_length=24), OnceEach] = (
        Field(description="full hours from 0 to 23, as in [3], in the region's time zone")
    )
    days: Annotated[tuple[Weekday, ...], Field(min_length=1), OnceEach] = Field(
        tuple(Weekday), description="weekdays, as in [mon, thu]; absent: every day"
    )
    keep_days: int = Field(30, ge=1, le=65535, description="days, 1 to 65535")


class DataDisk(Disk):
    """The disk that holds users, chats, uploads, models and certificates; it outlives the instance."""

    # The categories' limits: terraform-provider-alicloud, website/docs/r/ecs_disk.html.markdown
    size_gib: int = Field(
        200, ge=20, le=65536, description="a size from 20 to 65536 GiB, for cloud_ssd and cloud_efficiency to 32768"
    )
    kms_key_id: fields.KmsKeyId | None = Field(None, description="a KMS key; absent: the service's own key")
    snapshot_id: fields.SnapshotId | None = Field(None, description="a snapshot to start from, s-…")
    protect: bool = Field(default=False, description="true or false: refuse to delete the disk")
    snapshots: Snapshots | None = Field(None, description="the snapshot schedule, as in {hours: [3], keepDays: 30}")

    @model_validator(mode="after")
    def _within_the_category(self) -> Self:
        if self.category in (DiskCategory.SSD, DiskCategory.EFFICIENCY) and self.size_gib > 32768:
            refuse(f"{self.category} ends at 32768 GiB", "lower sizeGib, or use cloud_essd or cloud_auto")
        return self
