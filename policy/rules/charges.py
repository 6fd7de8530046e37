"""Money: subscriptions that outlive what they paid for, and a limit."""

from collections.abc import Iterator
from typing import Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule, Stack, StackRule

INSTANCE: Final = "alicloud:ecs/instance:Instance"
PARTS: Final = frozenset(
    {
        "alicloud:ecs/disk:Disk",
        "alicloud:ecs/ecsDisk:EcsDisk",
        "alicloud:ecs/eip:Eip",
        "alicloud:ecs/eipAddress:EipAddress",
    }
)
PREPAID: Final = ("PrePaid", "Subscription")


def _parts_as_you_go(resource: Resource, _: Demands) -> Iterator[str]:
    for key in ("paymentType", "instanceChargeType"):
        if resource.inputs.get(key) in PREPAID:
            yield f"is paid in advance ({key}): destroy only forgets it, it bills on; make it PayAsYouGo"


def _subscription_can_end(instance: Resource, _: Demands) -> Iterator[str]:
    inputs = instance.inputs
    if inputs.get("instanceChargeType") not in PREPAID:
        return
    if inputs.get("forceDelete") not in (True, UNKNOWN):
        yield "is subscribed and cannot be destroyed; set forceDelete"
    if inputs.get("includeDataDisks") not in (False, UNKNOWN):
        yield "takes its data disks into the subscription; set includeDataDisks to false"
    if inputs.get("spotStrategy", "NoSpot") not in ("NoSpot", UNKNOWN):
        yield "is both subscribed and spot; the provider drops spot without a word"
    if inputs.get("deletionProtection") is True:
        yield "has deletionProtection, which the cloud refuses for a subscription; use Pulumi's protect"


def _within_limit(stack: Stack) -> Iterator[tuple[str | None, str]]:
    limit, cost = stack.demands.monthly_limit, stack.monthly_cost
    if limit is None:
        return
    for part in stack.unpriced:
        yield None, f"has a limit in policy/stacks.yaml, and a cost a month that is not known: {part}"
    if cost is None:
        return
    if cost.currency != limit.currency:
        yield None, f"costs {cost}, the limit is in {limit.currency}; write it in {cost.currency} in policy/stacks.yaml"
    elif cost.amount > limit.amount:
        yield None, f"costs {cost} a month, the limit in policy/stacks.yaml is {limit}"


RULES: Final = (
    ResourceRule(
        id="parts-as-you-go",
        level=Level.MANDATORY,
        title="Address and disks are pay-as-you-go",
        why="A subscribed one is only forgotten by destroy, and bills to the end of its period.",
        beyond="no list has it",
        types=PARTS,
        check=_parts_as_you_go,
    ),
    ResourceRule(
        id="subscription-can-end",
        level=Level.MANDATORY,
        title="A subscribed instance can be destroyed, and takes nothing along",
        why="forceDelete is read from the state at destroy: set too late it does not help.",
        beyond="no list has it",
        types=frozenset({INSTANCE}),
        check=_subscription_can_end,
    ),
    StackRule(
        id="within-monthly-limit",
        level=Level.MANDATORY,
        title="The stack costs no more a month than its limit",
        why="Checked where policy/stacks.yaml sets monthlyLimit and credentials are found; a price that is refused is "
        "no price of nothing. Traffic, snapshots and KMS keys are in no sum.",
        beyond="no list has it",
        check=_within_limit,
    ),
)
