"""Prices and stock of a region."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.openapi.constants import (
    ADDRESS_FEE,
    BANDWIDTH_DAY,
    DATA_DISK,
    HOURLY,
    OTHER_ZONE,
    REGION,
    SYSTEM_DISK,
    TRAFFIC,
    ZONE,
)
from tests.openapi.server import Fault

DISKS = ("cloud_essd", "cloud_auto")


@dataclass(kw_only=True)
class Market:
    """DescribePrice and its kin."""

    currency: str = "USD"
    types: Mapping[str, str] = field(default_factory=lambda: HOURLY)
    stock: dict[str, str] = field(default_factory=lambda: {ZONE: "WithStock", OTHER_ZONE: "ClosedWithStock"})
    discount: Decimal = Decimal("0.9")
    spot_prices: tuple[str, ...] = ("0.41", "0.38", "0.52")

    def DescribePrice(self, given: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        kind, unit, periods = given.get("ResourceType", "instance"), given.get("PriceUnit", "Hour"), given.get("Period")
        if kind == "disk":
            return self._price({"disk": DATA_DISK * int(given["DataDisk"][0]["Size"])}, details=False)
        if kind == "bandwidth":
            return self._price({"bandwidth": TRAFFIC}, details=False)
        if given["InstanceType"] not in self.types:
            return Fault(403, "InvalidInstanceType.ValueNotSupported", "The specified InstanceType does not exist.")
        hours = {"Hour": 1, "Month": 450, "Year": 4800}[unit] * int(periods or 1)
        share = Decimal("0.3") if given.get("SpotStrategy") == "SpotAsPriceGo" else Decimal(1)
        parts = {
            "instanceType": Decimal(self.types[given["InstanceType"]]) * hours * share,
            "systemDisk": SYSTEM_DISK * hours,
        }
        return self._price({**parts, "bandwidth": Decimal(0), "image": Decimal(0)}, details=True)

    def _price(self, parts: Mapping[str, Decimal], *, details: bool) -> Mapping[str, Any]:
        rule = {"RuleId": 587, "Description": "Contract_10 percent off ECS"}
        rows = []
        for resource, original in parts.items():
            trade = original * self.discount if resource != "bandwidth" else original
            rows.append(
                {
                    "Resource": resource,
                    "OriginalPrice": float(original),
                    "DiscountPrice": float(original - trade),
                    "TradePrice": float(trade),
                    "SubRules": {"Rule": [rule] if trade < original else []},
                }
            )
        total: dict[str, Any] = {
            name: float(sum(Decimal(str(row[name])) for row in rows))
            for name in ("OriginalPrice", "DiscountPrice", "TradePrice")
        }
        infos = {"DetailInfos": {"DetailInfo": rows if details else []}}
        rules = {"Rule": [rule] if total["DiscountPrice"] else []}
        return {"PriceInfo": {"Price": {**total, **infos, "Currency": self.currency}, "Rules": rules}}

    def GetPayAsYouGoPrice(self, given: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        """An elastic address, by the modules of its two help pages; another set is refused."""
        asked = {module["ModuleCode"]: (module["Config"], module["PriceType"]) for module in given["ModuleList"]}
        if asked == {
            "InternetTrafficOut": ("InternetTrafficOut:1", "Usage"),
            "InstanceRent": ("InstanceRent:1", "Hour"),
        }:
            prices = {"InternetTrafficOut": TRAFFIC, "InstanceRent": ADDRESS_FEE}
        elif asked.keys() == {"Bandwidth", "InternetChargeType", "ISP"} and asked["Bandwidth"][1] == "Day":
            kbps = int(asked["Bandwidth"][0].removeprefix("Bandwidth:"))
            prices = {"Bandwidth": kbps // 1024 * BANDWIDTH_DAY, "InternetChargeType": Decimal(0), "ISP": Decimal(0)}
        else:
            return Fault(400, "InvalidModuleCode", "The specified ModuleCode is invalid.")
        details = [
            {
                "ModuleCode": code,
                "OriginalCost": float(price),
                "InvoiceDiscount": float(price - price * self.discount),
                "CostAfterDiscount": float(price * self.discount),
                "UnitPrice": float(price),
            }
            for code, price in prices.items()
        ]
        data = {
            "Currency": self.currency,
            "ModuleDetails": {"ModuleDetail": details},
            "PromotionDetails": {"PromotionDetail": []},
        }
        return {"Code": "Success", "Message": "Successful!", "Success": True, "Data": data}

    def DescribeSpotPriceHistory(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        offset, size = int(given.get("Offset") or 0), 2
        prices = self.spot_prices[offset : offset + size]
        entries = [
            {
                "InstanceType": given["InstanceType"],
                "IoOptimized": "optimized",
                "NetworkType": "vpc",
                "OriginPrice": float(self.types[given["InstanceType"]]),
                "SpotPrice": float(price),
                "Timestamp": f"2026-11-{10 + offset + index:02}T00:00:00Z",
                "ZoneId": given["ZoneId"],
            }
            for index, price in enumerate(prices)
        ]
        following = offset + size if offset + size < len(self.spot_prices) else 0
        return {"Currency": self.currency, "NextOffset": following, "SpotPrices": {"SpotPriceType": entries}}

    def DescribeAvailableResource(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        what = given["DestinationResource"]
        if what == "DataDisk" and given.get("SystemDiskCategory", "cloud_efficiency") not in DISKS:
            return self._zones({given["ZoneId"]: []}, what)  # beside the assumed one, these types take nothing
        if what != "InstanceType":
            offers = [
                {
                    "Value": name,
                    "Status": "Available",
                    "StatusCategory": "WithStock",
                    "Min": 20,
                    "Max": 2048,
                    "Unit": "GiB",
                }
                for name in DISKS
            ]
            return self._zones({given["ZoneId"]: offers}, what)
        wanted = [name for name in self.types if given.get("InstanceType") in (None, name)]
        by_zone = {
            zone: [
                {"Value": name, "StatusCategory": state, "Status": "SoldOut" if "Without" in state else "Available"}
                for name in wanted
            ]
            for zone, state in self.stock.items()
        }  # fmt: skip
        return self._zones(by_zone, what)

    def _zones(self, by_zone: Mapping[str, list[dict[str, Any]]], what: str) -> Mapping[str, Any]:
        zones = [
            {
                "RegionId": REGION,
                "ZoneId": zone,
                "Status": "Available",
                "StatusCategory": "WithStock",
                "AvailableResources": {
                    "AvailableResource": [{"Type": what, "SupportedResources": {"SupportedResource": offers}}]
                },
            }
            for zone, offers in by_zone.items()
        ]
        return {"AvailableZones": {"AvailableZone": zones}}
