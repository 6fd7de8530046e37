"""Prices as DescribePrice gives them, and sums of them. Decimal: the cloud bills to the fifth digit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from infra.sections import AddressCharge, BillingMode
from infra.settings import Settings
from ops import stock
from ops.cloud.client import Cloud, dig
from ops.cloud.errors import OpsError

HOURS_PER_MONTH: Final = 730
ADDRESS_FEE: Final = "elastic address, its own fee"
_NAMES: Final = {"instanceType": "instance", "systemDisk": "system disk", "bandwidth": "bandwidth", "image": "image"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One price: `price` is `original` less `discount`, per `unit` (hour, day, GB, or `12 months`)."""

    what: str
    unit: str
    original: Decimal
    discount: Decimal
    price: Decimal
    months: int | None = None  # of a period that is paid in advance

    @property
    def per_month(self) -> Decimal | None:
        """730 hours, or the period's share; None for what depends on use."""
        if self.months:
            return self.price / self.months
        hours = {"hour": 1, "day": 24}.get(self.unit)
        return self.price * HOURS_PER_MONTH / hours if hours else None


@dataclass(frozen=True, kw_only=True)
class Priced:
    """The lines of one DescribePrice answer; `rules` are the discounts in the cloud's words."""

    currency: str
    lines: tuple[Line, ...]
    rules: tuple[str, ...]


def number(value: Decimal | None) -> float | None:
    """For JSON: six digits after the point."""
    return None if value is None else float(round(value, 6))


def period(settings: Settings) -> dict[str, Any]:
    """PriceUnit and Period of the stack's billing; months beyond nine are sold as years."""
    months = settings.billing.months
    if settings.billing.mode is not BillingMode.SUBSCRIPTION or months is None:
        return {"PriceUnit": "Hour", "Period": 1}
    return {"PriceUnit": "Month", "Period": months} if months < 12 else {"PriceUnit": "Year", "Period": months // 12}


def of_instance(cloud: Cloud, settings: Settings, instance_type: str) -> Priced:
    """The instance with its system disk, billed as the stack is."""
    spot = settings.instance.spot is not None
    body = cloud.call(
        "ecs",
        "DescribePrice",
        RegionId=settings.region,
        ResourceType="instance",
        InstanceType=instance_type,
        InstanceNetworkType="vpc",
        IoOptimized="optimized",
        SystemDisk=stock.disk_parameters(settings.instance.system_disk),
        SpotStrategy="SpotAsPriceGo" if spot else None,
        ZoneId=settings.instance.zone if spot else None,
        **period(settings),
    ).body
    return read(body, f"instance {instance_type} with system disk", months=settings.billing.months)


def of_data_disk(cloud: Cloud, settings: Settings) -> Priced:
    """The data disk: pay-as-you-go, whatever the instance is; the action knows no other price of a disk alone."""
    parameters = stock.disk_parameters(settings.data_disk)
    body = cloud.call(
        "ecs", "DescribePrice", RegionId=settings.region, ResourceType="disk", DataDisk=[parameters], PriceUnit="Hour"
    ).body
    return read(body, "data disk", months=None, details=False)


def of_traffic(cloud: Cloud, settings: Settings) -> Priced:
    """One GB from the address to the internet; the action prices traffic only, never fixed bandwidth."""
    body = cloud.call(
        "ecs",
        "DescribePrice",
        RegionId=settings.region,
        ResourceType="bandwidth",
        InternetChargeType="PayByTraffic",
        InternetMaxBandwidthOut=min(settings.public_address.bandwidth_mbps, 100),  # the action knows no more
    ).body
    return read(body, "traffic to the internet", months=None, details=False, unit="GB")


def of_address(cloud: Cloud, settings: Settings) -> tuple[str, Line]:
    """The currency, and what billing (BSS) asks for the elastic address: its bandwidth by the day where that is fixed,
    else its own fee by the hour.

    Module codes are those of the help pages "EIP PayAsYouGo", help.aliyun.com/document_detail/94449.html (bandwidth)
    and alibabacloud.com/help/doc-detail/94449.htm (fee). Raises CloudError, and OpsError without a price.
    """
    mbps = settings.public_address.bandwidth_mbps
    if settings.public_address.charge is AddressCharge.BY_BANDWIDTH:
        what, unit, wanted = f"bandwidth of {mbps} Mbit/s", "day", "Bandwidth"
        modules = {"Bandwidth": (mbps * 1024, "Day"), "InternetChargeType": (0, "Usage"), "ISP": ("BGP", "Hour")}
    else:
        what, unit, wanted = ADDRESS_FEE, "hour", "InstanceRent"
        modules = {"InternetTrafficOut": (1, "Usage"), "InstanceRent": (1, "Hour")}
    data = cloud.call(
        "bss",
        "GetPayAsYouGoPrice",
        ProductCode="eip",
        SubscriptionType="PayAsYouGo",
        Region=settings.region,
        ModuleList=[
            {"ModuleCode": code, "Config": f"{code}:{value}", "PriceType": kind}
            for code, (value, kind) in modules.items()
        ],
    ).body.get("Data")
    for detail in dig(data, "ModuleDetails", "ModuleDetail", default=[]):
        if dig(detail, "ModuleCode") == wanted and dig(detail, "CostAfterDiscount") is not None:
            price = _decimal(detail["CostAfterDiscount"])
            original = _decimal(dig(detail, "OriginalCost", default=price))
            line = Line(what=what, unit=unit, original=original, discount=original - price, price=price)
            return str(dig(data, "Currency")), line
    raise OpsError(f"GetPayAsYouGoPrice gave no price of: {what}")


def read(
    body: Mapping[str, Any], what: str, *, months: int | None, details: bool = True, unit: str | None = None
) -> Priced:
    """The lines of an answer: its details where it has them, else its total. Raises OpsError without any price."""
    price = dig(body, "PriceInfo", "Price")
    if dig(price, "TradePrice") is None or not dig(price, "Currency"):
        raise OpsError(f"DescribePrice gave no price of: {what}")
    each = unit or (f"{months} months" if months else "hour")
    parts = dig(price, "DetailInfos", "DetailInfo", default=[]) if details else []
    lines = tuple(
        _line(_NAMES.get(str(part.get("Resource")), str(part.get("Resource"))), part, each, months)
        for part in parts
        if part.get("TradePrice") is not None
    )
    total = _line(what, price, each, months)
    if not lines or sum(line.price for line in lines) != total.price:
        lines = (total,)  # parts that do not add up would mislead
    rules = [
        *dig(body, "PriceInfo", "Rules", "Rule", default=[]),
        *(rule for part in parts for rule in dig(part, "SubRules", "Rule", default=[])),
    ]
    texts = tuple(dict.fromkeys(str(rule["Description"]) for rule in rules if rule.get("Description")))
    return Priced(currency=str(price["Currency"]), lines=tuple(line for line in lines if line.original), rules=texts)


def _line(what: str, price: Mapping[str, Any], unit: str, months: int | None) -> Line:
    trade = _decimal(price["TradePrice"])
    original = _decimal(price["OriginalPrice"]) if price.get("OriginalPrice") is not None else trade
    discount = _decimal(price["DiscountPrice"]) if price.get("DiscountPrice") is not None else original - trade
    return Line(what=what, unit=unit, original=original, discount=discount, price=trade, months=months)


def _decimal(value: object) -> Decimal:
    return Decimal(str(value))


def common_currency(priced: Iterable[Priced]) -> str:
    """Raises OpsError where answers differ: sums over two currencies mean nothing."""
    found = sorted({one.currency for one in priced})
    if len(found) != 1:
        raise OpsError(f"the cloud answered in several currencies: {', '.join(found)}")
    return found[0]
