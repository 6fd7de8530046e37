"""The checks of `ops doctor` that ask what there is: account, stock, disks, image, addresses."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from infra import advice, catalog, sizing
from infra.sections import BillingMode
from infra.settings import Settings
from ops import stock
from ops.cloud.client import Answer, Cloud, dig
from ops.findings import Finding, Level

SKEW_WARNING_S, SKEW_LIMIT_S = 60, 900  # signatures older than 15 minutes are refused
LEAST_BALANCE_CNY = 100  # what pay-as-you-go asks for (help page "Limits", InvalidAccountStatus.NotEnoughBalance)
DEFAULT_ADDRESSES = 20  # elastic addresses an account may have unless it asked for more (help page "EIP limits")


def identity(cloud: Cloud) -> Iterator[Finding]:
    """Who we are, and whether our clock is right. Raises CloudError: without an identity nothing else works."""
    answer = cloud.call("sts", "GetCallerIdentity")
    who = f"{answer.body.get('Arn') or 'unknown'}, account {answer.body.get('AccountId') or 'unknown'}"
    yield Finding(check="credentials", level=Level.OK, fact=who)
    yield from _clock(answer)


def _clock(answer: Answer) -> Iterator[Finding]:
    if answer.date is None:
        return
    skew = (datetime.now(UTC) - parsedate_to_datetime(answer.date)).total_seconds()
    if abs(skew) < SKEW_WARNING_S:
        yield Finding(check="clock", level=Level.OK, fact="this machine's clock is the service's, within a minute")
        return
    fact = f"this machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    yield Finding(
        check="clock",
        level=Level.PROBLEM if abs(skew) >= SKEW_LIMIT_S else Level.WARNING,
        fact=fact,
        consequence=f"from {SKEW_LIMIT_S // 60} minutes on, every signature is refused",
        fix="timedatectl set-ntp true",
    )


def balance(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """Whether the account can pay."""
    data = cloud.call("bss", "QueryAccountBalance").body.get("Data")
    amount, currency = _amount(dig(data, "AvailableAmount")), str(dig(data, "Currency", default=""))
    if amount is None:
        yield Finding(
            check="balance",
            level=Level.UNKNOWN,
            fact="the account's balance is not shown",
            consequence="this was not checked",
            fix="look into the console: Expenses and Costs",
        )
        return
    fact = f"{amount:,.2f} {currency} available"
    least = LEAST_BALANCE_CNY if currency == "CNY" and settings.billing.mode is BillingMode.PAY_AS_YOU_GO else 0
    if amount > least:
        yield Finding(check="balance", level=Level.OK, fact=fact)
        return
    yield Finding(
        check="balance",
        level=Level.PROBLEM if amount < 0 or currency == "CNY" else Level.WARNING,
        fact=fact,
        consequence="network and disk get made, the instance is refused (InvalidAccountStatus.NotEnoughBalance)",
        fix=f"top the account up{f' to more than CNY {least}' if least else ', or add a means of payment'}",
    )


def _amount(text: object) -> float | None:
    """`1,234.50`; None where an account shows nothing, or something else."""
    try:
        return float(str(text).replace(",", ""))
    except ValueError:
        return None


def account(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """The quota of vCPUs, and real-name registration where the region asks for it."""
    kind = "spot" if settings.instance.spot else "postpaid"
    names = [f"{which}-{kind}-instance-vcpu-count" for which in ("max", "used")]
    body = cloud.call(
        "ecs",
        "DescribeAccountAttributes",
        RegionId=settings.region,
        AttributeName=[*names, "real-name-authentication"],
    ).body
    values = _attributes(body)
    if settings.billing.mode is BillingMode.PAY_AS_YOU_GO:
        yield from _vcpus(settings, values.get(names[0]), values.get(names[1]))
    if advice.is_mainland(settings.region) and values.get("real-name-authentication") == "no":
        yield Finding(
            check="real name",
            level=Level.PROBLEM,
            fact="the account is not registered by its real name",
            consequence="regions of mainland China sell it nothing (RealNameAuthenticationError)",
            fix="register it in the console: Account Center",
        )


def _attributes(body: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in dig(body, "AccountAttributeItems", "AccountAttributeItem", default=[]):
        values = dig(item, "AttributeValues", "ValueItem", default=[])
        if values and dig(values[0], "Value") is not None:
            found[str(dig(item, "AttributeName"))] = str(dig(values[0], "Value"))
    return found


def _vcpus(settings: Settings, most: str | None, used: str | None) -> Iterator[Finding]:
    known = catalog.instance_type(settings.instance.type)
    if known is None or most is None or used is None or not (most.isdigit() and used.isdigit()):
        yield Finding(
            check="quota",
            level=Level.UNKNOWN,
            fact=f"the quota of {settings.instance.type} is not shown",
            consequence="an instance may be refused with QuotaExceed.ElasticQuota",
            fix="look it up in the Quota Center: ECS quotas by instance type",
        )
        return
    free = int(most) - int(used)
    fact = f"{used} of {most} vCPUs used, {settings.instance.type} takes {known.vcpus}"
    if free >= known.vcpus:
        yield Finding(check="quota", level=Level.OK, fact=fact)
    else:
        yield Finding(
            check="quota",
            level=Level.PROBLEM,
            fact=fact,
            consequence="the instance is refused with QuotaExceed.ElasticQuota",
            fix="ask for more in the Quota Center, or release what is not needed",
        )


def zones(settings: Settings, found: list[stock.ZoneStock]) -> Iterator[Finding]:
    """Stock of the stack's type in its zone; `found` are all zones of the region, best first."""
    own = next((zone for zone in found if zone.zone == settings.instance.zone), None)
    others = ", ".join(zone.zone for zone in found if zone.has_stock and zone is not own) or "none"
    state = own.state if own else "not sold there"
    fact = f"{settings.instance.type} in {settings.instance.zone}: {state}; other zones with stock: {others}"
    if own and own.state == "WithStock":
        yield Finding(check="stock", level=Level.OK, fact=fact)
    elif own and own.has_stock:
        yield Finding(
            check="stock",
            level=Level.WARNING,
            fact=fact,
            consequence="the last ones: after a stop, a start may fail",
            fix=f"prefer a zone WithStock: python -m ops doctor --stack {settings.stack} --write-zone",
        )
    else:
        fix = f"python -m ops doctor --stack {settings.stack} --write-zone"
        compare = f"python -m ops quote --stack {settings.stack} --compare"
        yield Finding(
            check="stock",
            level=Level.PROBLEM,
            fact=fact,
            consequence="pulumi up fails at the instance (OperationDenied.NoStock)",
            fix=fix if others != "none" else f"another type ({compare}), or another region",
        )


def disks(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """Whether the zone offers the disks with this type."""
    wanted = {"SystemDisk": settings.instance.system_disk.category.value, "DataDisk": settings.data_disk.category.value}
    for what, category in wanted.items():
        offered = stock.disks(cloud, settings, what)
        name = "system disk" if what == "SystemDisk" else "data disk"
        if category in offered:
            yield Finding(check=name, level=Level.OK, fact=f"{category} is offered in {settings.instance.zone}")
        else:
            key = "instance.systemDisk.category" if what == "SystemDisk" else "dataDisk.category"
            yield Finding(
                check=name,
                level=Level.PROBLEM,
                fact=f"{category} is not offered in {settings.instance.zone} with {settings.instance.type}",
                consequence="pulumi up fails at the disk",
                fix=f"set open-webui:{key} to one of: {', '.join(offered) or 'none, choose another zone'}",
            )


def image(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """Whether the region has the image."""
    chosen = settings.instance.image
    family = None if chosen and chosen.id else sizing.image_family(settings.instance)
    body = cloud.call(
        "ecs",
        "DescribeImages",
        RegionId=settings.region,
        ImageId=chosen.id if chosen else None,
        ImageFamily=family,
        ImageOwnerAlias=None if family is None else ("system" if family.startswith("acs:") else "self"),
        InstanceType=settings.instance.type,
    ).body
    found = dig(body, "Images", "Image", default=[])
    name = family or (chosen.id if chosen else "")
    if found:
        newest = max(found, key=lambda entry: str(dig(entry, "CreationTime", default="")))
        fact = f"{dig(newest, 'ImageId')}, {dig(newest, 'Size', default='unknown')} GiB"
        yield Finding(check="image", level=Level.OK, fact=fact)
    else:
        yield Finding(
            check="image",
            level=Level.PROBLEM,
            fact=f"{settings.region} has no image {name} for {settings.instance.type}",
            consequence="pulumi up fails at the instance",
            fix="set open-webui:instance.image.id; the console lists the region's images",
        )


def addresses(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """How many elastic addresses the account has here."""
    body = cloud.call("vpc", "DescribeEipAddresses", RegionId=settings.region, PageSize=10, PageNumber=1).body
    used = int(body.get("TotalCount") or 0)
    fact = f"{used} elastic addresses in {settings.region}; an account has {DEFAULT_ADDRESSES} unless it asked for more"
    if used < DEFAULT_ADDRESSES:
        yield Finding(check="addresses", level=Level.OK, fact=fact)
    else:
        yield Finding(
            check="addresses",
            level=Level.WARNING,
            fact=fact,
            consequence="unless the quota was raised, the new address is refused (QuotaExceeded.Eip)",
            fix="release one, or ask for more in the Quota Center",
        )
