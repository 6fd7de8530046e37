"""The checks of `ops doctor` that try what `pulumi up` will do, as dry runs where an action has one."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from infra import sizing
from infra.settings import Settings
from ops import stock
from ops.cloud.client import Answer, Cloud, dig
from ops.cloud.errors import CloudError
from ops.findings import Finding, Level

LEAST_FREE_ADDRESSES = 1
DRY_RUN_OK: Final = "DryRunOperation"
# What a refusal of a dry run means, where it is not about a permission; what to do is the error's own fix.
_MEANING: Final[Mapping[str, str]] = {
    "OperationDenied.NoStock": "the zone has no stock of the type",
    "Zone.NotOnSale": "the zone no longer sells the type",
    "QuotaExceed": "the account's quota is used up",
    "InvalidAccountStatus": "the account may not buy",
    "RealNameAuthenticationError": "the account is not registered by its real name",
}


def network(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """The existing vSwitch, or whether a new VPC may be made."""
    if settings.network.existing_vswitch_id is None:
        yield from dry_run(
            "new VPC",
            lambda: cloud.call(
                "vpc", "CreateVpc", RegionId=settings.region, CidrBlock=str(settings.network.vpc_cidr), DryRun=True
            ),
        )
        return
    vswitch = settings.network.existing_vswitch_id
    body = cloud.call("vpc", "DescribeVSwitches", RegionId=settings.region, VSwitchId=vswitch).body
    found = dig(body, "VSwitches", "VSwitch", default=[])
    if not found:
        yield _wrong_network(f"{settings.region} has no vSwitch {vswitch}", "give the id of one that exists")
        return
    vpc, zone, free = (dig(found[0], name) for name in ("VpcId", "ZoneId", "AvailableIpAddressCount"))
    if vpc != settings.network.existing_vpc_id:
        yield _wrong_network(f"{vswitch} belongs to {vpc}", "give existingVpcId of that VPC")
    if zone != settings.instance.zone:
        yield _wrong_network(f"{vswitch} is in {zone}", f"set open-webui:instance.zone to {zone}")
    if int(free or 0) < LEAST_FREE_ADDRESSES:
        yield _wrong_network(f"{vswitch} has no free address", "free one, or use another vSwitch")
    else:
        yield Finding(check="network", level=Level.OK, fact=f"{vswitch} has {free} free addresses")


def _wrong_network(fact: str, fix: str) -> Finding:
    return Finding(
        check="network", level=Level.PROBLEM, fact=fact, consequence="pulumi up fails at the instance", fix=fix
    )


def purchase(cloud: Cloud, settings: Settings) -> Iterator[Finding]:
    """RunInstances as a dry run: permission, quota, balance and stock in one. Needs any vSwitch of the zone."""
    place = next(_places(cloud, settings), None)
    if place is not None:
        yield from dry_run("purchase", partial(_run_instances, cloud, settings, *place))
        return
    where = settings.network.existing_vswitch_id or f"any vSwitch in {settings.instance.zone}"
    yield Finding(
        check="purchase",
        level=Level.UNKNOWN,
        fact=f"nothing to try a purchase with: no security group in the VPC of {where}",
        consequence="whether you may buy shows only at pulumi up",
        fix="none needed; the other checks hold",
    )


def _places(cloud: Cloud, settings: Settings) -> Iterator[tuple[str, str]]:
    """A vSwitch of the stack's, or any of its zone, each with a security group of its VPC.

    A group that a cloud service manages refuses instances of ours: it comes last.
    """
    wanted = settings.network.existing_vswitch_id
    which = {"VSwitchId": wanted} if wanted else {"ZoneId": settings.instance.zone}
    asked: set[str] = set()
    managed: list[tuple[str, str]] = []
    for subnet in cloud.numbered_pages(
        "vpc", "DescribeVSwitches", ("VSwitches", "VSwitch"), RegionId=settings.region, **which
    ):
        vswitch, vpc = dig(subnet, "VSwitchId"), dig(subnet, "VpcId")
        if not vswitch or not vpc or vpc in asked:
            continue
        asked.add(vpc)
        path = ("SecurityGroups", "SecurityGroup")
        for group in cloud.pages("ecs", "DescribeSecurityGroups", path, RegionId=settings.region, VpcId=vpc):
            if found := dig(group, "SecurityGroupId"):
                place = (str(vswitch), str(found))
                if not dig(group, "ServiceManaged"):
                    yield place
                else:
                    managed.append(place)
    yield from managed


def _run_instances(cloud: Cloud, settings: Settings, vswitch: str, group: str) -> Answer:
    chosen = settings.instance.image.id if settings.instance.image else None
    disk = {key: str(value) for key, value in stock.disk_parameters(settings.instance.system_disk).items()}
    return cloud.call(
        "ecs",
        "RunInstances",
        RegionId=settings.region,
        ZoneId=settings.instance.zone,
        InstanceType=settings.instance.type,
        ImageId=chosen,
        ImageFamily=None if chosen else sizing.image_family(settings.instance),
        VSwitchId=vswitch,
        SecurityGroupId=group,
        SystemDisk=disk,
        Amount=1,
        DryRun=True,
        Period=settings.billing.months,
        PeriodUnit="Month" if settings.billing.months else None,
        SpotPriceLimit=settings.instance.spot.max_hourly_price if settings.instance.spot else None,
        **stock.charge(settings),
    )


def dry_run(name: str, call: Callable[[], Answer]) -> Iterator[Finding]:
    """A call that changes nothing: its error code says what it would have met."""
    try:
        call()
    except CloudError as error:
        if error.code.startswith(DRY_RUN_OK):
            yield Finding(check=name, level=Level.OK, fact=f"{error.action}, tried dry: may be made")
            return
        why = next((meaning for code, meaning in _MEANING.items() if error.code.startswith(code)), None)
        if why is None and not error.is_refusal:
            raise
        yield Finding(
            check=name,
            level=Level.PROBLEM,
            fact=f"{error.action}, tried dry: {error.code}: {why or 'the permission is missing'}",
            consequence="pulumi up fails at this resource",
            fix=str(error.fix),
        )
        return
    yield Finding(check=name, level=Level.OK, fact=f"{name}: tried dry, may be made")


def untried(settings: Settings) -> Iterator[Finding]:
    """What `pulumi up` makes by actions without a dry run: whether they are permitted cannot be known before."""
    new: list[tuple[Any, str]] = [
        (settings.network.existing_vswitch_id is None, "vSwitch"),
        (True, "security group, data disk, elastic address, RAM roles and policies, OOS secret parameters"),
        (settings.data_disk.snapshots, "snapshot policy"),
        (settings.alarms, "CloudMonitor alarms"),
        (settings.schedule, "ROS stack of the night schedule"),
    ]
    kinds = ", ".join(kind for there, kind in new if there)
    yield Finding(
        check="permissions",
        level=Level.UNKNOWN,
        fact=f"no action tries these dry: {kinds}",
        consequence="a permission that is missing shows at pulumi up, half way through",
        fix="give who deploys docs/ram/deployer.json and docs/ram/previewer.json (docs/permissions.md)",
    )
