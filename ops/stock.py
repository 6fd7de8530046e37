"""Which zones of a region have what, from DescribeAvailableResource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.sections import BillingMode, Disk
from infra.settings import Settings
from ops.cloud.client import Cloud, dig

# StatusCategory, best first. ClosedWithStock: sold out soon, no guarantee.
ORDER = ("WithStock", "ClosedWithStock", "WithoutStock", "ClosedWithoutStock", "unknown")


@dataclass(frozen=True, order=True)
class ZoneStock:
    """A zone and its StatusCategory."""

    zone: str
    state: str

    @property
    def has_stock(self) -> bool:
        """Whether an instance can be had now."""
        return self.state in ("WithStock", "ClosedWithStock")


def charge(settings: Settings) -> dict[str, str]:
    """How the stack pays, as the stock and price actions want it."""
    if settings.billing.mode is BillingMode.SUBSCRIPTION:
        return {"InstanceChargeType": "PrePaid", "SpotStrategy": "NoSpot"}
    spot = settings.instance.spot
    strategy = "NoSpot" if spot is None else "SpotWithPriceLimit" if spot.max_hourly_price else "SpotAsPriceGo"
    return {"InstanceChargeType": "PostPaid", "SpotStrategy": strategy}


def of_types(cloud: Cloud, settings: Settings, instance_type: str | None = None) -> dict[str, list[ZoneStock]]:
    """Zones by instance type, best first; of all types of the region, or of one."""
    body = cloud.call(
        "ecs",
        "DescribeAvailableResource",
        RegionId=settings.region,
        DestinationResource="InstanceType",
        InstanceType=instance_type,
        IoOptimized="optimized",
        NetworkCategory="vpc",
        **charge(settings),
    ).body
    found: dict[str, list[ZoneStock]] = {}
    for zone, offer in _offers(body):
        state = str(dig(offer, "StatusCategory") or dig(offer, "Status") or "unknown")
        found.setdefault(str(dig(offer, "Value")), []).append(ZoneStock(zone, state))
    return {name: sorted(zones, key=lambda zone: (rank(zone), zone.zone)) for name, zones in found.items()}


def of_type(cloud: Cloud, settings: Settings) -> list[ZoneStock]:
    """Zones that sell the stack's own type, best first."""
    return of_types(cloud, settings, settings.instance.type).get(settings.instance.type, [])


def disks(cloud: Cloud, settings: Settings, what: str) -> list[str]:
    """Disk categories that the stack's type takes in its zone; `what` is SystemDisk or DataDisk.

    A data disk is offered beside a system disk: without that one's category the action assumes cloud_efficiency, which
    newer types do not take (help page "DescribeAvailableResource").
    """
    body = cloud.call(
        "ecs",
        "DescribeAvailableResource",
        RegionId=settings.region,
        ZoneId=settings.instance.zone,
        DestinationResource=what,
        InstanceType=settings.instance.type,
        IoOptimized="optimized",
        ResourceType="instance",
        SystemDiskCategory=settings.instance.system_disk.category.value if what == "DataDisk" else None,
        **charge(settings),
    ).body
    return sorted({str(dig(offer, "Value")) for _, offer in _offers(body) if dig(offer, "Status") == "Available"})


def disk_parameters(disk: Disk) -> dict[str, Any]:
    """A disk of the stack file as DescribePrice wants it."""
    size = getattr(disk, "size_gib", None)
    level = disk.performance_level or ("PL1" if disk.category.value == "cloud_essd" else None)
    return {"Category": disk.category.value, "Size": size, **({"PerformanceLevel": level} if level else {})}


def _offers(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (str(dig(zone, "ZoneId")), offer)
        for zone in dig(body, "AvailableZones", "AvailableZone", default=[])
        for resource in dig(zone, "AvailableResources", "AvailableResource", default=[])
        for offer in dig(resource, "SupportedResources", "SupportedResource", default=[])
    ]


def rank(zone: ZoneStock | None) -> int:
    """0 for the best StatusCategory; a zone that does not sell the type is the worst."""
    return ORDER.index(zone.state) if zone and zone.state in ORDER else len(ORDER)
