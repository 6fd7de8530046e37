"""What a stack's resources have cost this month, where the caller may read bills."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops.cloud.client import Cloud
from ops.cloud.errors import CloudError
from ops.price import number


def this_month(cloud: Cloud, ids: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """`cost` by resource, before tax, and `costError` where bills cannot be read. They are about a day behind."""
    month = now.strftime("%Y-%m")
    amounts: dict[str, Decimal] = {}
    currency: str | None = None
    try:
        for what, identifier in ids.items():
            items = cloud.pages(
                "bss", "DescribeInstanceBill", ("Data", "Items"), BillingCycle=month, InstanceID=identifier
            )
            for item in items:
                currency = item.get("Currency") or currency
                amounts[what] = amounts.get(what, Decimal(0)) + Decimal(str(item.get("PretaxAmount") or 0))
    except CloudError as error:
        return {"cost": None, "costError": error.short}
    if not amounts:
        return {"cost": None, "costError": None}
    return {
        "cost": {
            "month": month,
            "currency": currency,
            "amount": number(sum(amounts.values(), Decimal(0))),
            "parts": {what: number(amount) for what, amount in amounts.items()},
        },
        "costError": None,
    }
