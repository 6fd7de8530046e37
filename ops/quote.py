"""`ops quote`: what a stack costs before it exists, by the cloud's own price actions; what they do not know is said."""

import statistics
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import RenderableType

from infra.sections import AddressCharge
from infra.settings import Settings
from ops import price, quote_view, stack_settings, terminal
from ops.cloud.client import Cloud, dig
from ops.cloud.credentials import credentials_likely
from ops.cloud.errors import CloudError, OpsError
from ops.price import Priced, number

HISTORY_DAYS = 29  # the action takes at most 30


def run(stack: str, *, compare: bool, as_json: bool) -> int:
    """Print the quote of a stack, or the types that fit its models side by side; return the exit status."""

    def command() -> int:
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        if compare:
            from ops import quote_compare  # noqa: PLC0415 - only half of the runs need it

            document = quote_compare.comparison(settings, cloud)
            following = "set open-webui:instance.type in the stack file, then python -m ops quote"
            render = quote_view.comparison
        else:
            with terminal.doing("asking for prices"):
                document = quote(settings, cloud)
            following, render = "python -m ops quote --compare", quote_view.quote
        terminal.emit(document, render, as_json=as_json, following=f"{following} --stack {stack}")
        return terminal.OK

    return terminal.guarded(command)


def for_preview(settings: Settings) -> RenderableType | None:
    """The quote for `make preview`: None without SDKs or credentials, one line where the cloud does not answer."""
    if not credentials_likely():
        return None
    try:
        return quote_view.lines(quote(settings, Cloud(settings.region, attempts=1)))  # a preview waits for nobody
    except OpsError as error:
        return f"no price: {str(error).splitlines()[0]}"


def quote(settings: Settings, cloud: Cloud) -> dict[str, Any]:
    """The document of ops/schemas/quote.json. Raises CloudError."""
    instance = price.of_instance(cloud, settings, settings.instance.type)
    disk = price.of_data_disk(cloud, settings)
    by_traffic = settings.public_address.charge is AddressCharge.BY_TRAFFIC
    traffic = price.of_traffic(cloud, settings) if by_traffic else None
    answers = [answer for answer in (instance, disk, traffic) if answer is not None]
    currency = price.common_currency(answers)
    lines = [line for answer in answers for line in answer.lines]
    address, why = _address(settings, cloud, currency)
    missing: list[dict[str, str]] = []
    if address and not by_traffic:
        lines.append(address)
    elif not by_traffic:
        missing.append({"what": f"bandwidth of {settings.public_address.bandwidth_mbps} Mbit/s", "why": why})
    return {
        "stack": settings.stack,
        "region": settings.region,
        "zone": settings.instance.zone,
        "instanceType": settings.instance.type,
        "billing": {
            "mode": "spot" if settings.instance.spot else settings.billing.mode.value,
            "months": settings.billing.months,
        },
        "currency": currency,
        "lines": [
            {
                "what": line.what,
                "unit": line.unit,
                "original": number(line.original),
                "discount": number(line.discount),
                "price": number(line.price),
                "perMonth": number(line.per_month),
            }
            for line in lines
        ],
        "totals": {**totals(lines), "missing": missing},
        "discounts": list(dict.fromkeys(rule for answer in answers for rule in answer.rules)),
        "spot": _spot(settings, cloud, instance),
        "unpriced": [*unpriced(settings, currency, address, why), *missing],
    }


def totals(lines: Iterable[price.Line]) -> dict[str, Any]:
    """`perHour` of what is billed by the hour, `perMonth` of all that has a month, `inAdvance` of the period."""
    kept = list(lines)
    hourly = [line.price for line in kept if line.unit == "hour"]
    advance = [line.price for line in kept if line.months]
    return {
        "perHour": number(sum(hourly, Decimal(0))),
        "perMonth": number(sum((line.per_month or Decimal(0) for line in kept), Decimal(0))),
        "inAdvance": number(sum(advance, Decimal(0))) if advance else None,
    }


def _address(settings: Settings, cloud: Cloud, currency: str) -> tuple[price.Line | None, str]:
    """What billing asks for the elastic address, or None and why it is not known: a price less is no reason to fail."""
    try:
        told, line = price.of_address(cloud, settings)
    except CloudError as error:
        return None, error.line
    except OpsError as error:
        return None, str(error)
    if told != currency:
        return None, f"bss:GetPayAsYouGoPrice answers in {told}"
    return line, ""


def unpriced(settings: Settings, currency: str, address: price.Line | None, why: str) -> list[dict[str, str]]:
    """What never is in a sum: what costs nothing as the stack has it, and what no documented action prices.

    ROS (GetTemplateEstimateCost) prices templates, with an elastic address as the help page's example; it is not asked,
    since it would need another SDK and permission for what billing tells as well. No help page names the modules of
    snapshots for GetPayAsYouGoPrice, and their rate depends on the region.
    """
    public = settings.public_address
    free = 'not charged while it is bound to an instance (help page "EIP billing FAQ")'
    if public.charge is AddressCharge.BY_TRAFFIC:
        otherwise = f"otherwise {number(address.price)} {currency} per hour" if address else f"otherwise unknown: {why}"
        entries = [(price.ADDRESS_FEE, f"{free}; {otherwise}")]
    else:
        entries = [(price.ADDRESS_FEE, free)]
    if settings.data_disk.snapshots is not None:
        entries.append(
            ("snapshots, per GiB and month", "no documented action prices them; they grow with what changes")
        )
    if settings.data_disk.kms_key_id is not None:
        entries.append(("the KMS key of the data disk", "priced by KMS, not by DescribePrice"))
    return [{"what": what, "why": why} for what, why in entries]


def _spot(settings: Settings, cloud: Cloud, instance: Priced) -> dict[str, Any] | None:
    wanted = settings.instance.spot
    if wanted is None:
        return None
    now = next((line.price for line in instance.lines if line.what.startswith("instance")), Decimal(0))
    limit = wanted.max_hourly_price
    return {
        "now": number(now),
        "maxHourlyPrice": limit,
        "wouldStart": limit is None or now <= Decimal(str(limit)),
        **_history(settings, cloud),
    }


def _history(settings: Settings, cloud: Cloud) -> dict[str, Any]:
    """`history`, and `historyError` where it cannot be read."""
    try:
        return {"history": spread(_past_prices(settings, cloud)), "historyError": None}
    except CloudError as error:
        return {"history": None, "historyError": error.short}


def _past_prices(settings: Settings, cloud: Cloud) -> list[Decimal]:
    start = (datetime.now(UTC) - timedelta(days=HISTORY_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: list[Decimal] = []
    offset: int | None = None
    while True:
        body = cloud.call(
            "ecs",
            "DescribeSpotPriceHistory",
            RegionId=settings.region,
            ZoneId=settings.instance.zone,
            InstanceType=settings.instance.type,
            NetworkType="vpc",
            OSType="linux",
            StartTime=start,
            Offset=offset,
        ).body
        entries = dig(body, "SpotPrices", "SpotPriceType", default=[])
        found += [Decimal(str(entry["SpotPrice"])) for entry in entries if entry.get("SpotPrice") is not None]
        following = int(body.get("NextOffset") or 0)
        if not entries or following <= (offset or 0):
            return found
        offset = following


def spread(prices: list[Decimal]) -> dict[str, Any] | None:
    """Lowest, median and highest of the history; None where there is none."""
    if not prices:
        return None
    return {
        "days": HISTORY_DAYS,
        "samples": len(prices),
        "lowest": number(min(prices)),
        "median": number(statistics.median(prices)),
        "highest": number(max(prices)),
    }
